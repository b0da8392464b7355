#pragma once

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cgroup.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/runner/container.h"
#include "temp_dir.h"

namespace layerkit::testing {

inline constexpr const char* kBusybox = "/bin/busybox";

/// A root file system with a static busybox and links for the applets that tests use.
class BusyboxRootfs {
 public:
  BusyboxRootfs() {
    // Other users run in it, too.
    if (::chmod(dir_.path().c_str(), 0755) != 0) fail_errno(errno, "opening the test's rootfs");
    for (const char* name : {"bin", "etc", "tmp", "proc", "sys", "dev", "home"}) {
      make_dir_at(dir_.fd(), name, 0755);
    }
    std::filesystem::copy_file(kBusybox, dir_.path("bin/busybox"));
    for (const char* applet : {"sh", "cat", "ls", "dd", "id", "ip", "sleep", "stat", "touch"}) {
      make_symlink_at("busybox", dir_.fd(), std::string("bin/") + applet);
    }
  }

  const std::string& path() const { return dir_.path(); }
  std::string path(const std::string& below) const { return dir_.path(below); }
  int fd() const { return dir_.fd(); }

  /// A detached mount of it, as start_container wants.
  Fd detach() const {
    Fd tree(::open_tree(dir_.fd(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!tree) fail_errno(errno, "detaching the test's root file system");
    return tree;
  }

  void write(const std::string& name, const std::string& contents, mode_t mode) {
    write_file_at(dir_.fd(), name, contents, mode);
    ::chmod(dir_.path(name).c_str(), mode);
  }
  void replace_by_link(const std::string& name, const std::string& target) {
    remove_tree_at(dir_.fd(), name);
    make_symlink_at(target, dir_.fd(), name);
  }

 private:
  TempDir dir_;
};

/// A stream of a container, kept in memory.
class Capture {
 public:
  Capture() : fd_(::memfd_create("capture", MFD_CLOEXEC)) {}
  Fd end() const { return fd_.duplicate(); }
  std::string text() const {
    FileRangeSource source(fd_.get(), 0, stat_fd(fd_.get()).size, "captured output");
    return read_all(source, 1U << 24U, "captured output");
  }

 private:
  Fd fd_;
};

struct Outcome {
  ExitStatus status;
  std::string output;  ///< standard output and standard error
};

/// Unique in this and in parallel test processes.
inline std::string unique_id() {
  static std::atomic<int> count{0};
  return fmt::format("t{}-{}", ::getpid(), count++);
}

inline std::string test_cgroup_parent() {
  return fmt::format("layerkit-test-{}", ::getpid());
}

/// A spec as imagetool would make it, that runs `args`.
inline ContainerSpec spec_of(std::vector<std::string> args) {
  ContainerSpec spec;
  spec.id = unique_id();
  spec.hostname = "box";
  spec.process.args = std::move(args);
  spec.process.env = {"PATH=/bin", "HOME=/home"};
  spec.process.capabilities = capabilities_of(default_capabilities(), 0);
  spec.mounts = default_mounts();
  spec.masked_paths = default_masked_paths();
  spec.read_only_paths = default_read_only_paths();
  spec.cgroups_path = test_cgroup_parent() + "/" + spec.id;
  return spec;
}

inline ContainerSpec shell(const std::string& script) {
  return spec_of({"sh", "-c", script});
}

inline ContainerMount bind_of(const std::string& source, const std::string& target) {
  ContainerMount mount;
  mount.type = "bind";
  mount.source = source;
  mount.source_fd = open_at(AT_FDCWD, source, O_PATH);
  mount.target = target;
  return mount;
}

inline Outcome run(const BusyboxRootfs& rootfs, ContainerSpec spec) {
  const Capture output;
  spec.standard_output = output.end();
  spec.standard_error = output.end();
  const std::unique_ptr<Container> container =
      start_container(std::move(spec), rootfs.detach(), nullptr, Context{});
  const ExitStatus status = container->wait();
  return Outcome{status, output.text()};
}

/// The error that starting `spec` gives, and the exit code it deserves.
struct Refusal {
  Errc code = Errc::Io;
  std::string message;
  StartFailure failure = StartFailure::Setup;
};

inline Refusal refused(const BusyboxRootfs& rootfs, ContainerSpec spec) {
  Refusal refusal;
  try {
    start_container(std::move(spec), rootfs.detach(), &refusal.failure, Context{});
    ADD_FAILURE() << "it started";
  } catch (const Error& error) {
    refusal.code = error.code();
    refusal.message = error.message();
  }
  return refusal;
}

/// Cgroup directories of this test process that are still there.
inline std::vector<std::string> leftover_cgroups() {
  runner::CgroupLayout layout = runner::read_cgroup_layout();
  if (layout.v2) layout.v1.push_back(*layout.v2);
  std::vector<std::string> found;
  for (const auto& hierarchy : layout.v1) {
    const std::string path = hierarchy.mount_point + "/" + test_cgroup_parent();
    if (std::filesystem::exists(path)) found.push_back(path);
  }
  return found;
}

/// The v1 hierarchy with that controller, if this system has one.
inline std::optional<runner::CgroupHierarchy> v1_hierarchy(const std::string& controller) {
  for (const auto& hierarchy : runner::read_cgroup_layout().v1) {
    const auto& all = hierarchy.controllers;
    if (std::find(all.begin(), all.end(), controller) != all.end()) return hierarchy;
  }
  return std::nullopt;
}

inline bool has_v1(const std::string& controller) {
  return v1_hierarchy(controller).has_value();
}

/// A file of the running container's cgroup: where v1 has the controller, else on v2.
inline std::string cgroup_file(const std::string& controller,
                               const std::string& id,
                               const std::string& file) {
  auto hierarchy = v1_hierarchy(controller);
  if (!hierarchy) hierarchy = runner::read_cgroup_layout().v2;
  if (!hierarchy) return {};
  const Fd fd = open_at(
      AT_FDCWD, hierarchy->mount_point + "/" + test_cgroup_parent() + "/" + id + "/" + file, 0);
  FdSource source(fd.get(), file);
  return read_all(source, 4096, file);
}

inline std::string why_no_containers() {
  if (::geteuid() != 0) return "needs root";
  if (!std::filesystem::exists(kBusybox)) return "needs /bin/busybox (package busybox-static)";
  const Fd tree(::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree) return "needs the right to mount: " + errno_text(errno);
  return {};
}

/// For tests that run containers as root; checks that each leaves nothing behind.
class ContainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string problem = why_no_containers();
    if (!problem.empty()) GTEST_SKIP() << problem;
    rootfs_ = std::make_unique<BusyboxRootfs>();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_TRUE(leftover_cgroups().empty()) << leftover_cgroups().front();
  }

  BusyboxRootfs& rootfs() { return *rootfs_; }

 private:
  std::unique_ptr<BusyboxRootfs> rootfs_;
};

}  // namespace layerkit::testing
