#include "copy_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>
#include <set>

#include "copy_xattrs.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/file_type.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::uint32_t kSpecialBits = 06000;
constexpr std::uint32_t kOwnerMay = 0700;

timespec as_timespec(const Timestamp& time) {
  return {time.seconds, static_cast<long>(time.nanoseconds)};
}

/// A name in a directory that holds an object until it is complete.
class TemporaryName {
 public:
  explicit TemporaryName(int directory)
      : directory_(directory), name_(".imagetool-cp-" + random_hex(16)) {}
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;
  ~TemporaryName() { ::unlinkat(directory_, name_.c_str(), 0); }

  const std::string& str() const noexcept { return name_; }

 private:
  int directory_;
  std::string name_;
};

class CopyWriter final : public LayerWriter {
 public:
  CopyWriter(RootDir root, CopyWriterOptions options, const Context& context)
      : root_(std::move(root)), options_(std::move(options)), context_(context) {}

  void add(const Entry& entry, ByteSource& contents) override {
    // The directory itself is there and stays as it is.
    if (entry.path.is_root()) return;
    with_context([&] { return "copying to " + quoted(place_of(entry.path).absolute()); },
                 [&] { put(entry, contents); });
  }

  void finish() override {
    // Children first: what is made in a directory changes its time.
    for (auto made = made_.rbegin(); made != made_.rend(); ++made)
      complete_directory(made->first, made->second);
  }

 private:
  struct Attributes {
    std::uint32_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    Timestamp mtime;
    Xattrs xattrs;
  };

  RelPath place_of(const RelPath& path) const { return options_.directory / path; }

  Fd open_parent(const RelPath& path) {
    const RelPath parent = path.parent();
    if (auto found = root_.open_if_exists(parent, O_PATH | O_DIRECTORY, options_.parents))
      return std::move(*found);
    const Fd above = open_parent(parent);
    make_dir_at(above.get(), std::string(parent.name()), 0755);
    implied_.insert(parent);
    return root_.open(parent, O_PATH | O_DIRECTORY, options_.parents);
  }

  void put(const Entry& entry, ByteSource& contents) {
    const RelPath path = place_of(entry.path);
    const std::string name(path.name());
    const Fd parent = open_parent(path);
    const auto existing = stat_at(parent.get(), name);
    const bool is_directory = existing && existing->type == FileType::Directory;
    if (entry.is_directory()) {
      if (existing && !is_directory)
        fail(Errc::Invalid, "cannot overwrite non-directory with a directory");
      if (!existing) make_dir_at(parent.get(), name, kOwnerMay);
      if (!existing || implied_.erase(path) > 0 || made_.contains(path))
        describe_directory(parent, name, path, entry);
      return;
    }
    if (is_directory) fail(Errc::Invalid, "cannot overwrite directory with non-directory");
    const TemporaryName temporary(parent.get());
    make_object(parent, temporary.str(), entry, contents);
    rename_at(parent.get(), temporary.str(), parent.get(), name);
  }

  /// Whoever may use it may do so while it is filled; what is left waits until nothing more is made
  /// in it, an ACL that its contents would inherit included.
  void describe_directory(const Fd& parent,
                          const std::string& name,
                          const RelPath& path,
                          const Entry& entry) {
    const Attributes wanted = attributes_of(entry);
    give_rights(open_dir_at(parent.get(), name), wanted, wanted.mode | kOwnerMay);
    made_.insert_or_assign(path, wanted);
  }

  void make_object(const Fd& parent,
                   const std::string& name,
                   const Entry& entry,
                   ByteSource& contents) {
    if (entry.hard_link_target) return make_link(parent, name, *entry.hard_link_target);
    if (entry.type == FileType::Regular) return make_file(parent, name, entry, contents);
    if (entry.type == FileType::Symlink) {
      make_symlink_at(entry.symlink_target, parent.get(), name);
    } else {
      const dev_t device = makedev(entry.device_major, entry.device_minor);
      if (::mknodat(parent.get(), name.c_str(), file_type_bits(entry.type) | 0600, device) != 0)
        fail_errno(errno, "making a special file");
    }
    give_attributes(open_made(parent, name, entry), entry);
  }

  /// The object that was just made, held fast: whoever may write to the directory may have put
  /// something else in its place.
  static Fd open_made(const Fd& parent, const std::string& name, const Entry& entry) {
    Fd object = open_at(parent.get(), name, O_PATH | O_NOFOLLOW);
    const FileStat stat = stat_fd(object.get());
    const bool is_same = stat.type == entry.type && stat.nlink == 1 &&
                         stat.device_major == entry.device_major &&
                         stat.device_minor == entry.device_minor;
    if (!is_same) fail(Errc::Busy, "somebody else changes the directory");
    return object;
  }

  /// By the descriptor, so that no name is followed again.
  void give_attributes(const Fd& object, const Entry& entry) const {
    if (::fchownat(object.get(), "", uid_of(entry), gid_of(entry), AT_EMPTY_PATH) != 0)
      fail_errno(errno, "changing the owner");
    const std::string path = fmt::format("/proc/self/fd/{}", object.get());
    if (entry.type != FileType::Symlink &&
        ::fchmodat(AT_FDCWD, path.c_str(), mode_of(entry), 0) != 0)
      fail_errno(errno, "changing the mode");
    const timespec times[2] = {as_timespec(entry.mtime), as_timespec(entry.mtime)};
    if (::utimensat(object.get(), "", times, AT_EMPTY_PATH) != 0)
      fail_errno(errno, "changing the time");
  }

  void make_file(const Fd& parent,
                 const std::string& name,
                 const Entry& entry,
                 ByteSource& contents) {
    const Fd file = open_at(parent.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    FdSink sink(file.get(), entry.path.str());
    copy_bytes(contents, sink);
    set_attributes(file, attributes_of(entry), entry.path);
  }

  void make_link(const Fd& parent, const std::string& name, const RelPath& target) {
    const RelPath path = place_of(target);
    const Fd above = open_parent(path);
    if (::linkat(above.get(), std::string(path.name()).c_str(), parent.get(), name.c_str(), 0) != 0)
      fail_errno(errno, "linking to {}", quoted(path.absolute()));
  }

  void complete_directory(const RelPath& path, const Attributes& wanted) {
    with_context([&] { return "copying to " + quoted(path.absolute()); },
                 [&] {
                   const Fd directory =
                       root_.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, options_.parents);
                   set_attributes(directory, wanted, path);
                 });
  }

  static void give_rights(const Fd& object, const Attributes& wanted, std::uint32_t mode) {
    // The owner first: changing it takes set-user-ID bits away.
    if (::fchown(object.get(), wanted.uid, wanted.gid) != 0)
      fail_errno(errno, "changing the owner");
    if (::fchmod(object.get(), mode) != 0) fail_errno(errno, "changing the mode");
  }

  void set_attributes(const Fd& object, const Attributes& wanted, const RelPath& path) {
    give_rights(object, wanted, wanted.mode);
    // After the owner, which takes capabilities away, too.
    if (!set_copied_xattrs(object.get(), wanted.xattrs, options_.keeps_owners)) warn_once(path);
    const timespec times[2] = {as_timespec(wanted.mtime), as_timespec(wanted.mtime)};
    if (::futimens(object.get(), times) != 0) fail_errno(errno, "changing the time");
  }

  void warn_once(const RelPath& path) {
    if (has_warned_) return;
    has_warned_ = true;
    context_.warn(fmt::format("not all extended attributes can be kept, first of {}",
                              quoted(path.absolute())));
  }

  Attributes attributes_of(const Entry& entry) const {
    return {mode_of(entry), uid_of(entry), gid_of(entry), entry.mtime, entry.xattrs};
  }
  std::uint32_t mode_of(const Entry& entry) const {
    return options_.keeps_owners ? entry.mode : entry.mode & ~kSpecialBits;
  }
  std::uint32_t uid_of(const Entry& entry) const {
    return options_.keeps_owners ? entry.uid : ::geteuid();
  }
  std::uint32_t gid_of(const Entry& entry) const {
    return options_.keeps_owners ? entry.gid : ::getegid();
  }

  RootDir root_;
  CopyWriterOptions options_;
  const Context& context_;
  std::map<RelPath, Attributes> made_;
  std::set<RelPath> implied_;  ///< made for what is in them, without an entry as yet
  bool has_warned_ = false;
};

}  // namespace

std::unique_ptr<LayerWriter> make_copy_writer(RootDir root,
                                              CopyWriterOptions options,
                                              const Context& context) {
  return std::make_unique<CopyWriter>(std::move(root), std::move(options), context);
}

}  // namespace layerkit
