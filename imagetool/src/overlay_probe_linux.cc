#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <memory>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/storage_driver.h"
#include "layerkit/unionmount/mounter.h"

namespace layerkit {
namespace {

Fd make_open_dir(int parent, const std::string& name) {
  make_dir_at(parent, name, 0755);
  return open_dir_at(parent, name);
}

void make_whiteout(int dir_fd, const std::string& name) {
  if (::mknodat(dir_fd, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    const int err = errno;
    fail_errno(err, "making a device 0:0");
  }
}

void make_opaque(int dir_fd) {
  with_context([] { return "marking a directory as opaque"; },
               [&] { set_xattr_at(dir_fd, ".", "trusted.overlay.opaque", "y"); });
}

/// Overlayfs finds whiteouts by the types in a listing.
void require_types(int dir_fd) {
  const auto close = [](DIR* dir) { ::closedir(dir); };
  Fd own = open_dir_at(dir_fd, ".");
  const std::unique_ptr<DIR, decltype(close)> dir(::fdopendir(own.get()), close);
  const int err = errno;
  if (!dir) fail_errno(err, "listing a directory");
  static_cast<void>(own.release());
  while (const dirent* entry = ::readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe): own DIR
    if (entry->d_type == DT_UNKNOWN) {
      fail(Errc::Unsupported, "the file system does not list the types of files (d_type)");
    }
  }
}

void require(bool holds, const char* problem) {
  if (!holds) fail(Errc::Unsupported, "an overlay mount {}", problem);
}

/// Two directories in a union: what the upper one hides must be hidden, and a removal must leave a
/// whiteout there.
void try_overlay(int scratch) {
  const Fd lower = make_open_dir(scratch, "lower");
  const Fd upper = make_open_dir(scratch, "upper");
  write_file_at(lower.get(), "hidden", "", 0644);
  write_file_at(lower.get(), "removed", "", 0644);
  write_file_at(make_open_dir(lower.get(), "opaque").get(), "below", "", 0644);
  make_whiteout(upper.get(), "hidden");
  make_opaque(make_open_dir(upper.get(), "opaque").get());
  require_types(upper.get());

  UnionSpec spec;
  spec.branches.push_back({open_dir_at(upper.get(), "."), BranchAccess::ReadWrite});
  spec.branches.push_back({open_dir_at(lower.get(), "."), BranchAccess::ReadOnly});
  spec.work = make_open_dir(scratch, "work");
  const DetachedMount mount = make_overlay_mounter()->mount(spec);
  require(!stat_at(mount.fd(), "hidden"), "does not honour whiteouts");
  require(!stat_at(open_dir_at(mount.fd(), "opaque").get(), "below"),
          "does not honour opaque directories");
  require(unlink_at(mount.fd(), "removed"), "does not show what is in it");
  const auto whiteout = stat_at(upper.get(), "removed");
  require(whiteout && whiteout->type == FileType::CharDevice, "leaves no whiteouts");
}

}  // namespace

std::optional<std::string> find_overlay_problem(int scratch_fd) {
  try {
    try_overlay(scratch_fd);
  } catch (const Error& error) {
    return error.message();
  }
  return std::nullopt;
}

}  // namespace layerkit
