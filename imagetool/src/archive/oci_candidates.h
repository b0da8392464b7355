#pragma once

#include <set>
#include <string>
#include <vector>

#include "archive/archive_documents.h"
#include "archive/oci_blobs.h"
#include "layerkit/base/context.h"

namespace layerkit {

/// An image manifest that an entry of index.json leads to.
struct OciCandidate {
  BlobId digest;
  OciManifest document;
  ImageManifest manifest;  ///< of `document`, with config
  Platform platform;       ///< by its descriptor, else by its config
};

/// Follows the entries of index.json through nested indexes to image manifests. Attestations are
/// passed over silently; artifacts, absent manifests and unknown media types with a reason.
class OciWalker {
 public:
  OciWalker(OciBlobs& blobs, const Context& context) : blobs_(blobs), context_(context) {}

  /// In the order of the indexes, each manifest once. Throws Error{Limit} for indexes nested too
  /// deeply, Error{Integrity} for a document or blob that does not match its descriptor.
  std::vector<OciCandidate> candidates(const Descriptor& entry);

  /// Why entries gave no image: "sha256:… is an artifact of type …".
  const std::vector<std::string>& ignored() const noexcept { return ignored_; }
  void ignore(std::string reason) { ignored_.push_back(std::move(reason)); }
  /// Documents that the layout lacks, as those of other platforms may.
  const std::vector<std::string>& missing() const noexcept { return missing_; }

 private:
  struct Walk {
    std::vector<OciCandidate> found;
    std::set<BlobId> seen;
  };
  void visit(const Descriptor& descriptor, unsigned depth, Walk& walk);
  void visit_index(const Descriptor& descriptor, unsigned depth, Walk& walk);
  void visit_manifest(const Descriptor& descriptor, Walk& walk);
  Platform platform_of(const Descriptor& descriptor, const Descriptor& config);

  OciBlobs& blobs_;
  const Context& context_;
  std::vector<std::string> ignored_;
  std::vector<std::string> missing_;
};

}  // namespace layerkit
