#include <fcntl.h>

#include "archive/blob_container.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "owned_file_source.h"

namespace layerkit {
namespace {

class DirectoryContainer final : public BlobContainer {
 public:
  DirectoryContainer(Fd dir, std::string name) : root_(std::move(dir)), name_(std::move(name)) {}

  const std::string& name() const noexcept override { return name_; }
  bool is_directory() const noexcept override { return true; }

  std::optional<StoredFile> open(const RelPath& path) const override {
    // O_PATH first: a device or FIFO is recognised without being opened.
    const auto object = root_.open_if_exists(path, O_PATH, Follow::InRoot);
    if (!object) return std::nullopt;
    const FileStat stat = stat_fd(object->get());
    if (stat.type != FileType::Regular) {
      fail(Errc::Invalid, "opening {}: it is not a regular file", quoted(path.str()));
    }
    auto file = std::make_shared<const Fd>(
        open_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", object->get()), O_RDONLY));
    return StoredFile{std::make_unique<OwnedFileSource>(file, 0, stat.size, path.str()), stat.size,
                      file, 0};
  }

 private:
  RootDir root_;
  std::string name_;
};

}  // namespace

std::unique_ptr<BlobContainer> make_directory_container(Fd dir, std::string name) {
  return std::make_unique<DirectoryContainer>(std::move(dir), std::move(name));
}

}  // namespace layerkit
