#pragma once

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit::testing {

inline constexpr int kCannotEnter = 77;
inline constexpr unsigned kNobody = 65534;

/// Becomes an ordinary user, when it is root.
inline bool drop_privileges() {
  if (::geteuid() != 0) return true;
  if (::setgroups(0, nullptr) < 0 || ::setresgid(kNobody, kNobody, kNobody) < 0 ||
      ::setresuid(kNobody, kNobody, kNobody) < 0)
    return false;
  ::prctl(PR_SET_DUMPABLE, 1);  // else /proc/self belongs to root
  return true;
}

/// The exit code of a process that runs `work` and holds its expectations.
inline int run_expectations(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
  static_cast<void>(std::fflush(nullptr));
  return ::testing::Test::HasFailure() ? 1 : 0;
}

/// Runs `body` in a child that `start` makes (fork or clone), which exits with the value of `body`.
inline int exit_code_of_child(const std::function<pid_t()>& start,
                              const std::function<int()>& body) {
  static_cast<void>(std::fflush(nullptr));
  const pid_t child = start();
  if (child < 0) return kCannotEnter;
  if (child == 0) ::_exit(body());
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
}

/// Runs `work` as root of a new user and mount namespace, to which one unprivileged user is mapped,
/// with an empty tmpfs on /tmp. Its failed expectations fail the test; skips where a user may not
/// have such a namespace.
inline void in_user_namespace(const std::function<void()>& work) {
  const auto enter_and_work = [&work](unsigned uid, unsigned gid) {
    return run_expectations([&] {
      write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny", 0);
      write_file_at(AT_FDCWD, "/proc/self/uid_map", fmt::format("0 {} 1", uid), 0);
      write_file_at(AT_FDCWD, "/proc/self/gid_map", fmt::format("0 {} 1", gid), 0);
      ASSERT_EQ(::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr), 0) << errno_text(errno);
      work();
    });
  };
  const auto as_user = [&enter_and_work] {
    if (!drop_privileges()) return kCannotEnter;
    // unshare(2) refuses a process with threads, and a sanitizer may have one of its own.
    return exit_code_of_child(
        [] {
          constexpr unsigned long kFlags = CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD;
          return static_cast<pid_t>(::syscall(SYS_clone, kFlags, 0, 0, 0, 0));
        },
        [&, uid = ::geteuid(), gid = ::getegid()] { return enter_and_work(uid, gid); });
  };
  const int code = exit_code_of_child([] { return ::fork(); }, as_user);
  if (code == kCannotEnter) GTEST_SKIP() << "needs an unprivileged user namespace";
  EXPECT_EQ(code, 0) << "see the output above";
}

}  // namespace layerkit::testing
