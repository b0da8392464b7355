#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

/// A regular file of a container: its bytes, how many they are, and where.
struct StoredFile {
  std::unique_ptr<ByteSource> bytes;
  std::uint64_t size = 0;
  std::shared_ptr<const Fd> file;  ///< what its bytes are in, in one piece
  std::uint64_t offset = 0;
};

/// Named files with random access, from somebody we do not trust: a tar or a directory tree.
/// Symlinks resolve inside it and nowhere else. Not thread-safe.
class BlobContainer {
 public:
  BlobContainer() = default;
  BlobContainer(const BlobContainer&) = delete;
  BlobContainer& operator=(const BlobContainer&) = delete;
  virtual ~BlobContainer() = default;

  /// What the user called it.
  virtual const std::string& name() const noexcept = 0;
  virtual bool is_directory() const noexcept = 0;
  /// nullopt when there is no such name. Throws Error{Invalid} when it is no regular file or its
  /// links lead outside or round in a circle. What it returns must not outlive the container.
  virtual std::optional<StoredFile> open(const RelPath& path) const = 0;
};

/// The members of an uncompressed tar in a seekable file. Of a name that occurs twice the last
/// counts. Only headers are read. Throws Error{Invalid} for a file that is not a tar or holds a
/// sparse member, Error{Limit} for more names than memory should hold.
std::unique_ptr<BlobContainer> make_tar_container(Fd file,
                                                  std::string name,
                                                  const Context& context);

/// A directory tree; symlinks resolve as in a chroot.
std::unique_ptr<BlobContainer> make_directory_container(Fd dir, std::string name);

/// `input`: a directory, a file, or "-" for standard input. Pipes and compressed files are spooled
/// to a temporary file.
std::unique_ptr<BlobContainer> open_container(const std::string& input,
                                              const MakeTemporaryFile& make_temporary_file,
                                              const Context& context,
                                              const LoadLimits& limits);

/// As BlobContainer::open, but absence is Error{NotFound} "the archive has no 'x'".
StoredFile open_existing(const BlobContainer& container, const RelPath& path);
/// Its bytes from `offset` on.
std::unique_ptr<ByteSource> open_file_at(const BlobContainer& container,
                                         const RelPath& path,
                                         std::uint64_t offset);
/// The whole text of a JSON document. Throws Error{Limit} above `limits.json_bytes`.
std::string read_document(const StoredFile& file,
                          const std::string& name,
                          const LoadLimits& limits);
/// The same; nullopt when it is absent.
std::optional<std::string> read_document(const BlobContainer& container,
                                         const RelPath& path,
                                         const LoadLimits& limits);

}  // namespace layerkit
