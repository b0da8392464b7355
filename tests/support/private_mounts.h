#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include <string>

#include "layerkit/base/error.h"
#include "temp_dir.h"

namespace layerkit::testing {

/// Moves the test process into a mount namespace of its own, once: whatever it mounts is unknown
/// outside and goes when it ends, however it ends. Returns why it cannot, or an empty text.
inline const std::string& enter_private_mounts() {
  static const std::string problem = [] {
    if (::unshare(CLONE_NEWNS) < 0) return "needs a mount namespace: " + errno_text(errno);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
      return "cannot make the mounts private: " + errno_text(errno);
    return std::string();
  }();
  return problem;
}

/// True when a tmpfs keeps user.* attributes: since Linux 6.6.
inline bool tmpfs_keeps_user_xattrs() {
  const Fd probe(::memfd_create("probe", MFD_CLOEXEC));
  return ::fsetxattr(probe.get(), "user.probe", "1", 1, 0) == 0;
}

/// Gives the test process, once, a /tmp in memory, where that can hold what a disk can: making and
/// removing a hundred thousand files on a disk takes minutes. REQUIRES: a private mount namespace.
inline void use_memory_for_files() {
  static const bool done =
      tmpfs_keeps_user_xattrs() && ::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) == 0;
  static_cast<void>(done);
}

/// A tmpfs for one test, at a path of its own.
class ScratchMount {
 public:
  ScratchMount() {
    if (::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, "mode=0755") < 0)
      fail_errno(errno, "mounting a tmpfs for the test");
  }
  ScratchMount(const ScratchMount&) = delete;
  ScratchMount& operator=(const ScratchMount&) = delete;
  ~ScratchMount() { ::umount2(dir_.path().c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); }

  const std::string& path() const { return dir_.path(); }
  std::string path(const std::string& below) const { return dir_.path(below); }

 private:
  TempDir dir_;
};

/// For tests that mount: skips where it may not.
class PrivateMountsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!enter_private_mounts().empty()) GTEST_SKIP() << enter_private_mounts();
  }
};

}  // namespace layerkit::testing
