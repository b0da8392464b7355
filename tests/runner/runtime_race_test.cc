#include <sys/syscall.h>

#include <atomic>
#include <thread>

#include "runtime_fixture.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1U << 1U)
#endif

namespace layerkit::testing {
namespace {

/// Swaps two names for as long as it lives.
class Swapper {
 public:
  Swapper(const std::string& a, const std::string& b)
      : thread_([this, a, b] {
          while (!stop_) {
            ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
            ++swaps_;
          }
        }) {}
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;
  ~Swapper() { end(); }
  unsigned long end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return swaps_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<unsigned long> swaps_{0};
  std::thread thread_;
};

constexpr int kStarts = 200;

/// They start 200 containers each, which takes some seconds: a race needs its chances.
class RuntimeRaceTest : public RuntimeTest {
 protected:
  /// Starts containers while a directory of the root file system is swapped for a link. Whether one
  /// comes to life is left open; nothing may happen outside.
  void race(const Json& config, const std::string& directory, const std::string& to) {
    make_symlink_at(to, rootfs().fd(), "swapped");
    Swapper swapper(rootfs().path(directory), rootfs().path("swapped"));
    int started = 0;
    for (int i = 0; i < kStarts; ++i) {
      try {
        const auto process = start(request_of(config));
        ++started;
        process->wait();
        runtime().remove(id(), true, context());
      } catch (const Error&) {
        ASSERT_TRUE(is_gone(id()));
      }
    }
    EXPECT_GT(swapper.end(), 1000U);
    RecordProperty("started", started);
  }
  std::string canary() {
    make_dirs(path("canary"), 0755);
    return path("canary");
  }
};

/// CVE-2021-30465, CVE-2024-45310.
TEST_F(RuntimeRaceTest, MountsAndWhatIsMadeForThemStayInside) {
  make_dirs(path("source"), 0755);
  write_text(path("source/file"), "content");
  Json config = script("true");
  make_dir_at(rootfs().fd(), "volume", 0755);
  config["process"]["cwd"] = "/volume/work";
  config["mounts"].push_back(mount_json("/volume/made/for/it", "bind", path("source"), {"bind"}));
  config["mounts"].push_back(mount_json("/volume/file", "bind", path("source/file"), {"bind"}));
  config["mounts"].push_back(mount_json("/volume/tmpfs", "tmpfs", "tmpfs", {"tmpcopyup"}));
  config["linux"]["devices"] = {
      {{"path", "/volume/node"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  race(config, "volume", canary());
  EXPECT_TRUE(std::filesystem::is_empty(canary()));
  EXPECT_EQ(read_text("/proc/self/mountinfo").find(canary()), std::string::npos);
}

/// CVE-2025-31133: the swapped /dev is where masked files would find their null device.
TEST_F(RuntimeRaceTest, MaskedPathsShowNothingOfTheHost) {
  make_dir_at(rootfs().fd(), "volume", 0755);
  rootfs().write("volume/secret", "", 0644);
  write_text(canary() + "/secret", "of the host");
  Json config = script("cat /volume/secret");
  config["linux"]["maskedPaths"] = std::vector<std::string>{"/volume/secret"};
  config["linux"]["readonlyPaths"] = std::vector<std::string>{"/volume"};
  race(config, "volume", canary());
  EXPECT_EQ(output().find("of the host"), std::string::npos);
  EXPECT_EQ(read_text(canary() + "/secret"), "of the host");
}

/// CVE-2019-19921: procfs mounted on what has just become a link.
TEST_F(RuntimeRaceTest, ProcIsMountedOnTheRootfsAlone) {
  race(script("true"), "proc", canary());
  EXPECT_TRUE(std::filesystem::is_empty(canary()));
}

}  // namespace
}  // namespace layerkit::testing
