#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "archive/output_file.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

namespace fs = std::filesystem;

/// Images may hold secrets: as docker, only the owner reads what was saved.
constexpr mode_t kMode = 0600;

Fd open_standard_output() {
  const int fd = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  const int err = errno;
  if (fd < 0) fail_errno(err, "opening standard output");
  return Fd(fd);
}

/// Where a symlink leads; the path itself when it is none or leads nowhere.
fs::path without_links(const std::string& path) {
  std::error_code ignored;
  const fs::path real = fs::canonical(path, ignored);
  return real.empty() ? fs::path(path) : real;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : name_(path) {
  if (path == "-") {
    name_ = "standard output";
    file_ = open_standard_output();
    return;
  }
  const auto existing = open_at_if_exists(AT_FDCWD, path, O_PATH);
  if (!existing || stat_fd(existing->get()).type == FileType::Regular) {
    open_replacement(without_links(path));
  } else {
    file_ = open_at(AT_FDCWD, path, O_WRONLY | O_NOCTTY);
  }
}

void OutputFile::open_replacement(const std::string& path) {
  const fs::path file(path);
  base_ = file.filename();
  if (base_.empty())
    fail(Errc::Invalid, "writing {}: it is not a file name", layerkit::quoted(path));
  dir_ = open_at(AT_FDCWD, file.has_parent_path() ? file.parent_path().string() : ".",
                 O_RDONLY | O_DIRECTORY);
  open_temporary(kMode);
}

OutputFile::OutputFile(Fd directory, const std::string& name, mode_t mode)
    : name_(name), dir_(std::move(directory)), base_(name) {
  open_temporary(mode);
}

void OutputFile::open_temporary(mode_t mode) {
  temporary_ = fmt::format(".layerkit-{}", random_hex(16));
  // Nameless where the file system can: then nothing stays behind even after kill -9.
  const int fd = ::openat(dir_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  if (fd >= 0) {
    file_ = Fd(fd);
    return;
  }
  file_ = open_at(dir_.get(), temporary_, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode);
  is_named_ = true;
}

bool OutputFile::link_nameless(const std::string& name) const {
  const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
  if (::linkat(AT_FDCWD, self.c_str(), dir_.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0)
    return true;
  const int err = errno;
  if (err == EEXIST) return false;
  fail_errno(err, "creating {}", layerkit::quoted(name_));
}

void OutputFile::commit() {
  if (!dir_) return;
  sync_fd(file_.get(), name_);
  const bool is_published = !is_named_ && link_nameless(base_);
  if (!is_published) {
    is_named_ = is_named_ || link_nameless(temporary_);
    rename_at(dir_.get(), temporary_, dir_.get(), base_);
    is_named_ = false;
  }
  sync_fd(dir_.get(), name_);
}

OutputFile::~OutputFile() {
  if (is_named_) ::unlinkat(dir_.get(), temporary_.c_str(), 0);
}

}  // namespace layerkit
