#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>

#include "cni/cni_process.h"
#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxOutput = 1 << 20;
constexpr auto kPatience = std::chrono::seconds(60);

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_errno(errno, "creating a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

Fd file_of(const std::string& input) {
  Fd file(::memfd_create("cni-config", MFD_CLOEXEC));
  if (!file) fail_errno(errno, "creating a file in memory");
  write_all(file.get(), input, "a file in memory");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) fail_errno(errno, "creating a file in memory");
  return file;
}

/// A child that is killed unless it was waited for.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      const int err = errno;
      if (err != EINTR) fail_errno(err, "waiting for a plugin");
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In a process group of its own: what the terminal sends is not for it.
pid_t spawn(const std::string& path, std::vector<std::string> environment, std::array<int, 3> fds) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (int to = 0; to < 3; ++to)
    ::posix_spawn_file_actions_adddup2(&actions, fds[static_cast<std::size_t>(to)], to);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = {path};
  pid_t pid = -1;
  const int err = ::posix_spawn(&pid, path.c_str(), &actions, &attributes,
                                pointers_to(arguments).data(), pointers_to(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (err != 0) fail_errno(err, "executing {}", quoted(path));
  return pid;
}

/// False at the end of the stream.
bool read_some(const Fd& from, std::string& text, const std::string& path) {
  std::array<char, 16384> buffer;
  const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
  if (got < 0) {
    const int err = errno;
    if (err == EINTR || err == EAGAIN) return true;
    fail_errno(err, "reading what {} says", quoted(path));
  }
  text.append(buffer.data(), static_cast<std::size_t>(got));
  if (text.size() > kMaxOutput)
    fail(Errc::Limit, "reading what {} says: more than {} bytes", quoted(path), kMaxOutput);
  return got > 0;
}

void read_both(
    Fd output, Fd error, CniOutput& result, const std::string& path, const Context& context) {
  const auto deadline = Clock::now() + kPatience;
  while (output || error) {
    context.check_interrupted();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      fail(Errc::Limit, "running {}: it has not ended within {} seconds", quoted(path),
           kPatience.count());
    }
    std::array<pollfd, 2> wanted = {
        {{output ? output.get() : -1, POLLIN, 0}, {error ? error.get() : -1, POLLIN, 0}}};
    if (::poll(wanted.data(), wanted.size(), static_cast<int>(left)) < 0) {
      const int err = errno;
      if (err != EINTR) fail_errno(err, "waiting for {}", quoted(path));
      continue;
    }
    if (wanted[0].revents != 0 && !read_some(output, result.output, path)) output.reset();
    if (wanted[1].revents != 0 && !read_some(error, result.error, path)) error.reset();
  }
}

}  // namespace

CniOutput run_cni_process(const std::string& path,
                          const std::vector<std::string>& environment,
                          const std::string& input,
                          const Context& context) {
  const Fd config = file_of(input);
  Pipe output = make_pipe();
  Pipe error = make_pipe();
  Child child(spawn(path, environment, {config.get(), output.write.get(), error.write.get()}));
  output.write.reset();
  error.write.reset();
  CniOutput result;
  read_both(std::move(output.read), std::move(error.read), result, path, context);
  result.exit_code = child.wait();
  return result;
}

}  // namespace layerkit
