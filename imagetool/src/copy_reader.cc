#include "copy_reader.h"

#include <fcntl.h>

#include <map>
#include <utility>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// By the object that is held, so that it is that one whatever its name refers to by now.
Fd open_held(const Fd& object, int flags) {
  return open_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", object.get()), flags);
}

class CopyReader final : public LayerReader {
 public:
  CopyReader(Fd object, CopyReaderOptions options, const Context& context)
      : options_(std::move(options)),
        context_(context),
        object_(std::move(object)),
        top_(object_.duplicate()) {
    left_.emplace_back();
  }

  std::optional<Entry> next() override {
    while (!left_.empty()) {
      const RelPath path = std::move(left_.back());
      left_.pop_back();
      const auto object = open_object(path);
      if (!object) continue;
      auto entry = take(path, *object);
      if (entry && (options_.with_object || !path.is_root())) return entry;
    }
    return std::nullopt;
  }

  ByteSource& contents() override {
    if (source_ != nullptr) return *source_;
    return nothing_;
  }

 private:
  std::optional<Fd> open_object(const RelPath& path) const {
    if (path.is_root()) return object_.duplicate();
    return top_.open_if_exists(path, O_PATH | O_NOFOLLOW, Follow::No);
  }

  /// nullopt for what is left out.
  std::optional<Entry> take(const RelPath& path, const Fd& object) {
    const FileStat stat = stat_fd(object.get());
    Entry entry = entry_of(path, stat);
    source_.reset();
    switch (stat.type) {
      case FileType::Directory:
        add_children(path, object);
        return entry;
      case FileType::Socket:
        context_.warn(fmt::format("{} is a socket and is not copied", quoted(entry.path.str())));
        return std::nullopt;
      case FileType::CharDevice:
      case FileType::BlockDevice:
        if (options_.takes_devices) break;
        context_.warn(fmt::format("{} is a device and is not copied", quoted(entry.path.str())));
        return std::nullopt;
      case FileType::Symlink:
        entry.symlink_target = read_link_at(object.get(), "");
        break;
      default:
        break;
    }
    if (find_link(stat, entry)) return entry;
    if (stat.type == FileType::Regular) open_contents(object, entry);
    return entry;
  }

  Entry entry_of(const RelPath& path, const FileStat& stat) const {
    Entry entry;
    entry.path = options_.name / path;
    entry.type = stat.type;
    entry.mode = stat.mode;
    entry.uid = stat.uid;
    entry.gid = stat.gid;
    entry.mtime = stat.mtime;
    entry.device_major = stat.device_major;
    entry.device_minor = stat.device_minor;
    if (stat.type == FileType::Regular) entry.size = stat.size;
    return entry;
  }

  void add_children(const RelPath& path, const Fd& directory) {
    const auto children = list_dir(open_held(directory, O_RDONLY | O_DIRECTORY).get());
    for (auto child = children.rbegin(); child != children.rend(); ++child)
      left_.push_back(path / child->name);
  }

  /// Another name of a file that was read before.
  bool find_link(const FileStat& stat, Entry& entry) {
    if (stat.nlink < 2) return false;
    const auto [known, is_new] = links_.try_emplace({stat.dev, stat.ino}, entry.path);
    if (is_new) return false;
    entry.hard_link_target = known->second;
    entry.size = 0;
    return true;
  }

  void open_contents(const Fd& object, const Entry& entry) {
    file_ = open_held(object, O_RDONLY | O_NONBLOCK);
    source_ = std::make_unique<FileRangeSource>(file_.get(), 0, entry.size, entry.path.str());
  }

  CopyReaderOptions options_;
  const Context& context_;
  Fd object_;
  RootDir top_;                ///< the same
  std::vector<RelPath> left_;  ///< next one last
  std::map<std::pair<std::uint64_t, std::uint64_t>, RelPath> links_;
  Fd file_;
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
};

}  // namespace

std::unique_ptr<LayerReader> make_copy_reader(Fd object,
                                              CopyReaderOptions options,
                                              const Context& context) {
  return std::make_unique<CopyReader>(std::move(object), std::move(options), context);
}

}  // namespace layerkit
