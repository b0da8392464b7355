#include "archive/oci_copy.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/archive_output.h"
#include "archive/layout_index.h"
#include "archive/oci_blobs.h"
#include "archive/reference_names.h"
#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// Writes all that a descriptor leads to, each blob once.
class GraphWriter {
 public:
  GraphWriter(OciBlobs& blobs, ArchiveOutput& output, const Context& context)
      : blobs_(blobs), output_(output), context_(context) {}

  void write(const Descriptor& descriptor, unsigned depth) {
    context_.check_interrupted();
    if (!written_.insert(descriptor.digest).second) return;
    if (is_index_type(descriptor.media_type)) {
      write_index(descriptor, depth);
    } else if (is_manifest_type(descriptor.media_type)) {
      write_manifest(descriptor);
    } else {
      write_blob(descriptor);
    }
  }

 private:
  std::string write_document(const Descriptor& descriptor) {
    auto text = blobs_.read(descriptor);
    if (!text) fail(Errc::NotFound, "{} is missing from the archive", descriptor.digest.str());
    add_text(output_, blob_path(descriptor.digest).str(), *text);
    return std::move(*text);
  }

  void write_index(const Descriptor& descriptor, unsigned depth) {
    if (const unsigned most = blobs_.limits().index_nesting; depth > most)
      fail(Errc::Limit, "indexes are nested more than {} deep", most);
    const std::string text = write_document(descriptor);
    const ImageIndex index =
        parse_index(text, "index " + descriptor.digest.str(), descriptor.media_type);
    if (!index.unknown_digests.empty()) {
      fail(Errc::Unsupported, "index {}: {} has a digest that is not known",
           descriptor.digest.str(), quoted(index.unknown_digests.front()));
    }
    for (const Descriptor& entry : index.manifests)
      write(entry, depth + 1);
  }

  void write_manifest(const Descriptor& descriptor) {
    const std::string text = write_document(descriptor);
    const ImageManifest manifest =
        parse_manifest(text, "manifest " + descriptor.digest.str(), descriptor.media_type);
    if (manifest.config && written_.insert(manifest.config->digest).second)
      write_blob(*manifest.config);
    for (const Descriptor& layer : manifest.layers)
      if (written_.insert(layer.digest).second) write_blob(layer);
  }

  void write_blob(const Descriptor& descriptor) {
    const auto file = blobs_.open(descriptor);
    if (!file) {
      const auto type = parse_layer_media_type(descriptor.media_type);
      if ((type && type->is_foreign) || descriptor.data) return;
      fail(Errc::NotFound, "{} is missing from the archive", descriptor.digest.str());
    }
    output_.add(blob_path(descriptor.digest).str(), file->size, [&](ByteSink& sink) {
      InterruptibleSource bytes(*file->bytes, context_);
      copy_bytes(bytes, sink);
    });
  }

  OciBlobs& blobs_;
  ArchiveOutput& output_;
  const Context& context_;
  std::set<BlobId> written_;
};

bool is_meant(const Descriptor& entry,
              std::size_t number,
              const std::string& wanted,
              const Context& context) {
  if (wanted.empty()) return true;
  if (wanted.starts_with('@')) return parse_decimal(wanted.substr(1)) == number;
  if (entry.annotation(kRefNameKey) == wanted || entry.annotation(kImageNameKey) == wanted)
    return true;
  const auto meant = parse_name_if_valid(wanted);
  return meant && reference_name(entry, context) == meant;
}

/// The entries of index.json as they are written there; with the name, if there is to be one.
json chosen_entries(const std::string& text,
                    const std::vector<bool>& is_chosen,
                    const std::optional<ImageName>& name) {
  const json index = parse_json(text, "index.json", kMaxJsonBytes);
  json entries = json::array();
  for (std::size_t i = 0; i < is_chosen.size(); ++i) {
    if (!is_chosen[i]) continue;
    json entry = index.at("manifests").at(i);
    if (name) {
      entry["annotations"][std::string(kImageNameKey)] = name->full();
      entry["annotations"][std::string(kRefNameKey)] = name->tag();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

std::vector<BlobId> copy_oci_images(const BlobContainer& container,
                                    const std::string& wanted,
                                    const std::optional<ImageName>& name,
                                    ArchiveOutput& output,
                                    const Context& context,
                                    const LoadLimits& limits) {
  OciBlobs blobs(container, limits);
  const auto text = read_document(container, RelPath::parse("index.json"), limits);
  if (!text) fail(Errc::Invalid, "it is no image layout: it has no file 'index.json'");
  const ImageIndex index = parse_index(*text, "index.json", "");
  if (!index.unknown_digests.empty()) {
    fail(Errc::Unsupported, "index.json: {} has a digest that is not known",
         quoted(index.unknown_digests.front()));
  }
  std::vector<bool> is_chosen;
  for (const Descriptor& entry : index.manifests)
    is_chosen.push_back(is_meant(entry, is_chosen.size(), wanted, context));
  const auto count = std::ranges::count(is_chosen, true);
  if (count == 0) fail(Errc::NotFound, "it holds no image {}", quoted(wanted));
  if (name && count > 1)
    fail(Errc::Invalid, "{} entries cannot all be called {}", count, name->str());
  add_text(output, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  GraphWriter writer(blobs, output, context);
  std::vector<BlobId> written;
  for (std::size_t i = 0; i < index.manifests.size(); ++i) {
    if (!is_chosen[i]) continue;
    writer.write(index.manifests[i], 1);
    written.push_back(index.manifests[i].digest);
  }
  write_layout_index(output, chosen_entries(*text, is_chosen, name));
  return written;
}

}  // namespace layerkit
