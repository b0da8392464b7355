#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/oci_config.h"
#include "spec_check.h"
#include "state_directory.h"

namespace layerkit::runner {
namespace {

constexpr const char* kRecord = "state.json";
constexpr const char* kNewRecord = "state.json.new";
constexpr const char* kConfig = "config.json";
constexpr const char* kGate = "exec.fifo";
constexpr int kExecPatience = 10'000;  ///< milliseconds for an exec
constexpr std::size_t kMaxRecord = 4 * kMaxOciConfig;

[[noreturn]] void fail_absent(const std::string& id) {
  fail(Errc::NotFound, "container {} does not exist", quoted(id));
}

/// Whoever may write there could have us run hooks.
void check_owner(const Fd& root_fd, const std::string& root) {
  const FileStat stat = stat_fd(root_fd.get());
  if (stat.uid != ::geteuid() || (stat.mode & (S_IWGRP | S_IWOTH)) != 0) {
    fail(Errc::Invalid, "using {} for states: it is not the caller's own, or others may write it",
         quoted(root));
  }
}

}  // namespace

StateDirectory StateDirectory::make(const std::string& root,
                                    const std::string& id,
                                    const Context& context) {
  make_dirs(root, 0700);
  Fd root_fd = open_dir_at(AT_FDCWD, root);
  check_owner(root_fd, root);
  if (::mkdirat(root_fd.get(), id.c_str(), 0700) != 0) {
    if (errno == EEXIST)
      fail(Errc::Exists, "container with given ID already exists: {}", quoted(id));
    fail_errno(errno, "creating the state of container {}", quoted(id));
  }
  StateDirectory made(std::move(root_fd), id, {});
  try {
    made.fd_ = open_dir_at(made.root_.get(), id);
    made.lock(context);
    made.check_is_new();
  } catch (const Error& error) {
    // Somebody else's is theirs.
    if (error.code() != Errc::Busy) ::unlinkat(made.root_.get(), id.c_str(), AT_REMOVEDIR);
    throw;
  }
  return made;
}

StateDirectory StateDirectory::open(const std::string& root, const std::string& id) {
  check_id(id);
  std::optional<Fd> root_fd = open_at_if_exists(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  if (!root_fd) fail_absent(id);
  check_owner(*root_fd, root);
  std::optional<Fd> fd = open_at_if_exists(root_fd->get(), id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) fail_absent(id);
  return {std::move(*root_fd), id, std::move(*fd)};
}

StateDirectory StateDirectory::open_locked(const std::string& root,
                                           const std::string& id,
                                           const Context& context) {
  for (;;) {
    StateDirectory opened = open(root, id);
    opened.lock(context);
    // Somebody may have removed it while we waited.
    const std::optional<FileStat> there = stat_at(opened.root_.get(), id);
    if (!there) fail_absent(id);
    if (there->ino == stat_fd(opened.fd_.get()).ino) return opened;
  }
}

void StateDirectory::check_is_new() const {
  const FileStat stat = stat_fd(fd_.get());
  const std::optional<FileStat> there = stat_at(root_.get(), id_);
  const bool is_own = stat.uid == ::geteuid() && (stat.mode & (S_IRWXG | S_IRWXO)) == 0;
  if (is_own && there && there->ino == stat.ino && list_dir(fd_.get()).empty()) return;
  fail(Errc::Busy,
       "creating the state of container {}: somebody else has put another directory there",
       quoted(id_));
}

void StateDirectory::lock(const Context& context) {
  // Asked again and again: a signal between a look at `context` and a call that waits would be
  // lost.
  while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR && errno != EWOULDBLOCK)
      fail_errno(errno, "locking container {}", quoted(id_));
    with_context(
        [&] { return "waiting for container " + quoted(id_) + ", which is being changed"; },
        [&] { context.check_interrupted(); });
    pause_briefly();
  }
}

ContainerRecord StateDirectory::record() const {
  ContainerRecord record = unfinished_record();
  if (record.pid == 0) fail_absent(id_);
  return record;
}

ContainerRecord StateDirectory::unfinished_record() const {
  const std::string name = "state of container " + quoted(id_);
  try {
    return parse_record(read_file_at(fd_.get(), kRecord, kMaxRecord), name);
  } catch (const Error& error) {
    // It is being made, or its maker died.
    if (error.code() == Errc::NotFound) fail_absent(id_);
    throw;
  }
}

void StateDirectory::write_record(const ContainerRecord& record) const {
  // Only this boot needs it: no fsync.
  write_file_at(fd_.get(), kNewRecord, to_json(record), 0600);
  // ext4 begins to write a file to the disk that is renamed over another one, and removing it then
  // waits for the disk. It lets files trade places in peace.
  if (::renameat2(fd_.get(), kNewRecord, fd_.get(), kRecord, RENAME_EXCHANGE) == 0) {
    unlink_at(fd_.get(), kNewRecord);
    return;
  }
  // The first one, or a file system that knows no such trade.
  if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
    fail_errno(errno, "writing the state of container {}", quoted(id_));
  rename_at(fd_.get(), kNewRecord, fd_.get(), kRecord);
}

std::string StateDirectory::config() const {
  return read_file_at(fd_.get(), kConfig, kMaxOciConfig);
}

void StateDirectory::write_config(std::string_view text) const {
  write_file_at(fd_.get(), kConfig, text, 0600);
}

Fd StateDirectory::make_gate() const {
  if (::mkfifoat(fd_.get(), kGate, 0600) != 0)
    fail_errno(errno, "creating the gate of container {}", quoted(id_));
  return open_at(fd_.get(), kGate, O_RDWR);
}

bool StateDirectory::is_gate_shut() const {
  const Fd gate(::openat(fd_.get(), kGate, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  // ENXIO: who had it open for reading has executed its program.
  if (!gate && (errno == ENOENT || errno == ENXIO)) return false;
  int waiting = 0;
  if (!gate || ::ioctl(gate.get(), FIONREAD, &waiting) != 0)
    fail_errno(errno, "looking at the gate of container {}", quoted(id_));
  return waiting == 0;
}

void StateDirectory::open_gate(bool waits) const {
  // ENXIO: nobody has it open for reading.
  const Fd gate(::openat(fd_.get(), kGate, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!gate || ::write(gate.get(), "0", 1) != 1)
    fail(Errc::NotFound, "starting container {}: its process has ended", quoted(id_));
  unlink_at(fd_.get(), kGate);
  if (!waits) return;
  // The other end is closed on exec: then there is nobody to read.
  pollfd poll{gate.get(), 0, 0};
  while (::poll(&poll, 1, kExecPatience) < 0 && errno == EINTR) {
  }
}

void StateDirectory::dismiss() const noexcept {
  const Fd gate(::openat(fd_.get(), kGate, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (gate) (void)!::write(gate.get(), "x", 1);
}

void StateDirectory::remove() const {
  // What is ours and nothing else, so that no mistake about the directory can cost anybody a tree.
  for (const char* name : {kGate, kConfig, kRecord, kNewRecord})
    unlink_at(fd_.get(), name);
  unlink_at(root_.get(), id_, AT_REMOVEDIR);
}

std::vector<std::string> container_ids(const std::string& root) {
  std::vector<std::string> ids;
  const std::optional<Fd> fd = open_at_if_exists(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  if (!fd) return ids;
  for (const DirEntry& entry : list_dir(fd->get())) {
    const std::optional<FileStat> stat = stat_at(fd->get(), entry.name);
    // ".cache" and its like are no containers.
    if (stat && stat->type == FileType::Directory && !entry.name.starts_with('.'))
      ids.push_back(entry.name);
  }
  return ids;
}

}  // namespace layerkit::runner
