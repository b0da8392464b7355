#include "copy_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "copy_xattrs.h"
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

/// What opening or reading says of a tree in which somebody has just changed something.
bool means_change(const Error& error) {
  switch (error.sys_errno()) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:   // a directory has become a symlink
    case EXDEV:   // ... or has moved away
    case EAGAIN:  // and that again and again
    case ESTALE:
      return true;
    default:
      return false;
  }
}

/// As many bytes as the file had when it was looked at, whatever becomes of it.
class FileContents final : public ByteSource {
 public:
  FileContents(Fd file, std::uint64_t size, std::string name, const Context& context)
      : file_(std::move(file)), left_(size), name_(std::move(name)), context_(context) {}

  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), left_);
    if (wanted == 0) return 0;
    const std::size_t got = is_short_ ? 0 : read_file(buffer.first(wanted));
    left_ -= got == 0 ? wanted : got;
    if (got > 0) return got;
    std::ranges::fill(buffer.first(wanted), std::byte{});
    return wanted;
  }

 private:
  std::size_t read_file(std::span<std::byte> buffer) {
    ssize_t got = 0;
    do {
      got = ::read(file_.get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    const int err = errno;
    if (got < 0) fail_errno(err, "reading {}", quoted(name_));
    is_short_ = got == 0;
    if (is_short_) {
      context_.warn(
          fmt::format("{} became shorter while it was copied: its last {} bytes are zeros",
                      quoted(name_), left_));
    }
    return static_cast<std::size_t>(got);
  }

  Fd file_;
  std::uint64_t left_;
  std::string name_;
  const Context& context_;
  bool is_short_ = false;
};

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
      auto entry = try_take(path);
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

  /// A tree that is in use changes while it is copied: that costs what has changed, not the rest.
  std::optional<Entry> try_take(const RelPath& path) {
    try {
      const auto object = open_object(path);
      return object ? take(path, *object) : std::nullopt;
    } catch (const Error& error) {
      if (path.is_root() || !means_change(error)) throw;
      context_.warn(fmt::format("{} changed while it was copied and is left out",
                                quoted((options_.name / path).str())));
      return std::nullopt;
    }
  }

  /// nullopt for what is left out.
  std::optional<Entry> take(const RelPath& path, const Fd& object) {
    const FileStat stat = stat_fd(object.get());
    Entry entry = entry_of(path, stat);
    source_.reset();
    switch (stat.type) {
      case FileType::Directory:
        add_children(path, object);
        entry.xattrs = read_copied_xattrs(object.get(), options_.with_owners);
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

  void open_contents(const Fd& object, Entry& entry) {
    entry.xattrs = read_copied_xattrs(object.get(), options_.with_owners);
    source_ = std::make_unique<FileContents>(open_held(object, O_RDONLY | O_NONBLOCK), entry.size,
                                             entry.path.str(), context_);
  }

  CopyReaderOptions options_;
  const Context& context_;
  Fd object_;
  RootDir top_;                ///< the same
  std::vector<RelPath> left_;  ///< next one last
  std::map<std::pair<std::uint64_t, std::uint64_t>, RelPath> links_;
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
