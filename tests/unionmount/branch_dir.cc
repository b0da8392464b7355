#include "branch_dir.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "run_command.h"

namespace layerkit::testing {
namespace {

constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";
constexpr const char* kOpaqueName = ".wh..wh..opq";

/// "a/b" -> "a/.wh.b"
std::string whiteout_name(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
  return name.substr(0, start) + ".wh." + name.substr(start);
}

void must(long result, const char* doing, const std::string& path) {
  if (result < 0) fail_errno(errno, "{} '{}'", doing, path);
}

void add_names(const std::string& path,
               const std::string& prefix,
               std::vector<std::string>& names) {
  for (const DirEntry& entry : list_dir(open_dir_at(AT_FDCWD, path).get())) {
    names.push_back(prefix + entry.name);
    const std::string below = path + "/" + entry.name;
    if (stat_at(AT_FDCWD, below)->type == FileType::Directory)
      add_names(below, prefix + entry.name + "/", names);
  }
}

}  // namespace

BranchDir::BranchDir(std::string path, WhiteoutFormat format)
    : path_(std::move(path)), format_(format) {
  make_dirs(path_, 0755);
}

std::string BranchDir::made_parent(const std::string& name) const {
  const std::string whole = path(name);
  make_dirs(whole.substr(0, whole.rfind('/')), 0755);
  return whole;
}

void BranchDir::file(const std::string& name, const std::string& text, unsigned mode) const {
  const std::string whole = made_parent(name);
  write_file_at(AT_FDCWD, whole, text, 0600);
  must(::chmod(whole.c_str(), mode), "setting the mode of", whole);
}

void BranchDir::dir(const std::string& name, unsigned mode) const {
  make_dirs(path(name), 0755);
  must(::chmod(path(name).c_str(), mode), "setting the mode of", path(name));
}

void BranchDir::symlink(const std::string& name, const std::string& target) const {
  const std::string whole = made_parent(name);
  make_symlink_at(target, AT_FDCWD, whole);
}

void BranchDir::node(const std::string& name, unsigned type_and_mode, dev_t device) const {
  const std::string whole = made_parent(name);
  must(::mknod(whole.c_str(), type_and_mode, device), "making the node", whole);
  must(::chmod(whole.c_str(), type_and_mode & 07777U), "setting the mode of", whole);
}

void BranchDir::link(const std::string& name, const std::string& existing) const {
  const std::string whole = made_parent(name);
  must(::link(path(existing).c_str(), whole.c_str()), "linking", whole);
}

void BranchDir::whiteout(const std::string& name) const {
  if (format_ == WhiteoutFormat::Overlay) {
    node(name, S_IFCHR, makedev(0, 0));
  } else {
    file(whiteout_name(name), "", 0444);
  }
}

void BranchDir::opaque(const std::string& name) const {
  if (!has(name)) dir(name);
  if (format_ == WhiteoutFormat::Overlay) {
    set_xattr_at(AT_FDCWD, path(name), kOpaqueXattr, "y");
  } else {
    file(name + "/" + kOpaqueName, "", 0444);
  }
}

bool BranchDir::has(const std::string& name) const {
  return stat_at(AT_FDCWD, path(name)).has_value();
}

bool BranchDir::has_whiteout(const std::string& name) const {
  const bool of_overlay = format_ == WhiteoutFormat::Overlay;
  const auto stat = stat_at(AT_FDCWD, path(of_overlay ? name : whiteout_name(name)));
  if (!stat) return false;
  if (!of_overlay) return stat->type == FileType::Regular && stat->size == 0;
  return stat->type == FileType::CharDevice && stat->device_major == 0 && stat->device_minor == 0;
}

bool BranchDir::is_opaque(const std::string& name) const {
  if (format_ == WhiteoutFormat::Aufs) return has(name + "/" + kOpaqueName);
  return read_xattr_at(AT_FDCWD, path(name), kOpaqueXattr) == "y";
}

std::string BranchDir::text(const std::string& name) const {
  return read_file_at(AT_FDCWD, path(name), std::size_t{256} << 20);
}

std::vector<std::string> BranchDir::tree() const {
  std::vector<std::string> names;
  add_names(path_, "", names);
  // What a writable branch of AUFS has of its own.
  for (const char* own : {".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk", ".wh..wh.xino"})
    std::erase(names, own);
  std::sort(names.begin(), names.end());
  return names;
}

DiskImage::DiskImage(const std::string& image, std::string mount_point)
    : mount_point_(std::move(mount_point)) {
  if (!has_command("mkfs.ext4")) fail(Errc::Unsupported, "needs mkfs.ext4");
  make_dir_at(AT_FDCWD, mount_point_, 0755);
  // mount(8) finds a free loop device and has it freed with the mount.
  const std::string command = "truncate -s 512M " + image +
                              " && mkfs.ext4 -q -F -m 0 -O ^has_journal " + image +
                              " && mount -o loop,noatime " + image + " " + mount_point_;
  const CommandResult result = run_command(command);
  if (result.exit_code != 0) fail(Errc::Unsupported, "needs a loop device: {}", result.output);
}

DiskImage::~DiskImage() {
  ::umount2(mount_point_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace layerkit::testing
