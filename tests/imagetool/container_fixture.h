#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "image_store_fixture.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"
#include "layerkit/layerstore/tar.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/union_client.h"
#include "run_command.h"

namespace layerkit::testing {

/// A store and what mounts its containers.
struct MountChoice {
  StoreDriver driver = StoreDriver::Overlay2;
  const char* backend = "overlay";
};
inline std::string name_of(const ::testing::TestParamInfo<MountChoice>& tested) {
  return std::string(tested.param.driver == StoreDriver::Aufs ? "Aufs" : "Overlay2") + "By" +
         tested.param.backend;
}
/// AUFS of the kernel is left out: no machine that runs these tests has it.
inline const auto kMountChoices = ::testing::Values(MountChoice{StoreDriver::Overlay2, "overlay"},
                                                    MountChoice{StoreDriver::Overlay2, "fuse"},
                                                    MountChoice{StoreDriver::Aufs, "fuse"});

/// A store with one image, "box", made of Debian's busybox-static, and the built program on it.
class ContainerTest : public ImageStoreTest, public ::testing::WithParamInterface<MountChoice> {
 protected:
  static constexpr const char* kBusybox = "/bin/busybox";

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (::access(kBusybox, X_OK) != 0) GTEST_SKIP() << "needs busybox-static";
    if (is_fuse() && !may_mount_fuse()) GTEST_SKIP() << "needs FUSE";
    open_store();
    add_image("box", R"({"Cmd":["sh"],"Env":["PATH=/bin","FROM_IMAGE=yes"]})");
  }

  void TearDown() override {
    if (images_) tool("rm -f $(" + program() + " ps -aq) 2>/dev/null");
    for (const auto& controller : cgroup_roots())
      ::rmdir((controller + "/" + parent_).c_str());
  }

  std::string program() const {
    return std::string(IMAGETOOL_PROGRAM) + " --root " + dir_.path("images");
  }
  CommandResult tool(const std::string& arguments) {
    return run_command(program() + " " + arguments);
  }
  /// What the options of this test are in `run` and `mount`.
  static std::string backend_option() {
    return std::string("--mount-backend ") + GetParam().backend + " ";
  }
  static bool is_fuse() { return GetParam().backend == std::string_view("fuse"); }
  static bool is_aufs() { return GetParam().driver == StoreDriver::Aufs; }
  /// Of `run`: in cgroups of this test's own.
  std::string run_command_line() const {
    return "run --cgroup-parent " + parent_ + " " + backend_option();
  }
  CommandResult run(const std::string& arguments) { return tool(run_command_line() + arguments); }
  /// Output of a command that must succeed, without the last newline.
  std::string output(const std::string& arguments) {
    CommandResult result = tool(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.output;
    if (result.output.ends_with('\n')) result.output.pop_back();
    return result.output;
  }
  std::string run_output(const std::string& arguments) {
    return output(run_command_line() + arguments);
  }
  /// Waits until a shell command that starts with this program's arguments succeeds.
  void await(const std::string& arguments) {
    const std::string attempt = program() + " " + arguments;
    const auto result = run_command("for i in $(seq 600); do if " + attempt +
                                    "; then exit 0; fi; sleep 0.05; done; exit 1");
    EXPECT_EQ(result.exit_code, 0) << "never: " << arguments;
  }
  nlohmann::json inspect(const std::string& name) {
    return nlohmann::json::parse(output("inspect " + name)).at(0);
  }

  /// Entries of the layer on top of an image, without the root.
  std::vector<Entry> top_layer(const std::string& image) {
    const auto record = images().find(image);
    std::string tar;
    MemorySink sink(tar);
    images().layers().export_layer(*record.image.top(), sink, context_);
    MemorySource source(tar);
    const auto reader = make_tar_reader(source, TarDialect::Layer);
    std::vector<Entry> entries;
    while (auto entry = reader->next()) {
      if (!entry->path.is_root()) entries.push_back(std::move(*entry));
    }
    return entries;
  }
  /// Their names, each after "-" for a whiteout, "+" for all others.
  std::vector<std::string> top_layer_names(const std::string& image) {
    std::vector<std::string> names;
    for (const Entry& entry : top_layer(image))
      names.push_back((entry.is_whiteout() ? "-" : "+") + entry.path.str());
    return names;
  }

  void expect(const std::string& arguments, int exit_code, const std::string& text) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << "\n" << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << arguments << "\n" << result.output;
  }

  /// Everything a container could leave behind in this store and on this machine.
  std::string leftovers() {
    std::ostringstream text;
    for (const char* below : {"images/containers", "images/overlay2", "images/aufs/records",
                              "images/aufs/moving", "images/staging"}) {
      std::error_code missing;
      for (const auto& entry : std::filesystem::directory_iterator(dir_.path(below), missing)) {
        const std::string name = entry.path().filename().string();
        const bool is_layer = std::filesystem::exists(entry.path() / "layer");
        if (name != ".lock" && name != "l" && !is_layer) text << below << "/" << name << "\n";
      }
    }
    for (const auto& controller : cgroup_roots()) {
      std::error_code missing;
      for (const auto& entry :
           std::filesystem::directory_iterator(controller + "/" + parent_, missing)) {
        if (entry.is_directory()) text << entry.path().string() << "\n";
      }
    }
    return text.str() + leftovers_of_mounts();
  }

  /// FUSE unions of layers of this store.
  std::vector<UnionInfo> own_unions() const {
    auto unions = list_unions();
    std::erase_if(unions, [&](const UnionInfo& served) {
      return served.branches.empty() ||
             !served.branches.front().path.starts_with(dir_.path() + "/");
    });
    return unions;
  }
  static void kill_and_await(pid_t pid) {
    const auto process = identify_process(pid);
    ASSERT_TRUE(process);
    const auto fd = open_process(*process);
    ASSERT_TRUE(fd);
    signal_process(fd->get(), SIGKILL);
    wait_for_exit(fd->get(), -1);
  }

  std::string leftovers_of_mounts() {
    std::ostringstream text;
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      if (line.find(dir_.path()) != std::string::npos) text << line << "\n";
    }
    for (const UnionInfo& served : own_unions())
      text << served.branches.front().path << " is served\n";
    return text.str();
  }

  /// For containers in the background, whose monitor may still be at it.
  void expect_soon_nothing_left() {
    for (int attempt = 0; attempt < 400 && !leftovers().empty(); ++attempt)
      ::usleep(25'000);
    EXPECT_EQ(leftovers(), "");
  }

  void open_store() {
    StoreOptions options;
    options.driver = GetParam().driver;
    images_ = ImageStore::open(dir_.path("images"), options);
  }

  /// An image of busybox in three layers: links to its applets and /etc; a file; its replacement.
  void add_image(const std::string& name, const std::string& config) {
    const FileLock lock = images().layers().lock(LockKind::Shared);
    const auto transaction = images().layers().begin();
    std::optional<ChainId> parent;
    std::string diff_ids;
    for (const std::string& tar : {base_layer(), file_layer("one"), file_layer("two")}) {
      MemorySource source(tar);
      const LayerInfo layer = transaction->add(parent, source, std::nullopt, context_);
      parent = layer.chain;
      diff_ids += (diff_ids.empty() ? "\"" : ",\"") + layer.diff_id.str() + "\"";
    }
    transaction->commit();
    const Image image = Image::parse(
        R"({"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","config":)" +
        config + R"(,"rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}");
    images().put(image);
    images().set_names({{ImageName::parse(name), image.id()}});
  }

  static std::vector<std::string> cgroup_roots() {
    std::vector<std::string> roots = {"/sys/fs/cgroup"};
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/cgroup", missing)) {
      if (entry.is_directory()) roots.push_back(entry.path().string());
    }
    return roots;
  }

  const std::string parent_ = "layerkit-test-" + random_hex(12);

 private:
  struct Item {
    const char* path;
    FileType type;
    std::uint32_t mode;
    std::string content;  ///< bytes, or a symlink's target
  };

  static std::string make_tar(const std::vector<Item>& items) {
    std::string bytes;
    MemorySink sink(bytes);
    const auto writer = make_tar_writer(sink);
    for (const auto& item : items) {
      Entry entry;
      entry.path = RelPath::parse(item.path);
      entry.type = item.type;
      entry.mode = item.mode;
      entry.mtime = {1'700'000'000, 0};
      const bool is_file = item.type == FileType::Regular;
      if (is_file) entry.size = item.content.size();
      if (item.type == FileType::Symlink) entry.symlink_target = item.content;
      MemorySource source(is_file ? std::string_view(item.content) : std::string_view());
      writer->add(entry, source);
    }
    writer->finish();
    return bytes;
  }

  static std::string base_layer() {
    const auto busybox = read_file_at(AT_FDCWD, kBusybox, 64 << 20);
    std::vector<Item> items = {{"bin", FileType::Directory, 0755, ""},
                               {"bin/busybox", FileType::Regular, 0755, busybox}};
    for (const char* applet :
         {"bin/cat",  "bin/dd",    "bin/env",   "bin/grep", "bin/head", "bin/hostname", "bin/id",
          "bin/ls",   "bin/mkdir", "bin/mv",    "bin/pwd",  "bin/rm",   "bin/sh",       "bin/sleep",
          "bin/stat", "bin/tail",  "bin/touch", "bin/true", "bin/wc",   "bin/yes"}) {
      items.push_back({applet, FileType::Symlink, 0777, "busybox"});
    }
    items.push_back({"data", FileType::Directory, 0750, ""});
    items.push_back({"data/seed", FileType::Regular, 0640, "seed\n"});
    items.push_back({"etc", FileType::Directory, 0711, ""});
    items.push_back({"etc/group", FileType::Regular, 0644, "root:x:0:\nteam:x:77:app\n"});
    items.push_back({"etc/not-executable", FileType::Regular, 0644, "text\n"});
    items.push_back({"etc/passwd", FileType::Regular, 0644,
                     "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"});
    // Leads to a place that the image does not have, as on many distributions.
    items.push_back({"etc/resolv.conf", FileType::Symlink, 0777, "../run/net/resolv.conf"});
    return make_tar(items);
  }
  static std::string file_layer(const std::string& text) {
    return make_tar({{"opt", FileType::Directory, 0755, ""},
                     {"opt/version", FileType::Regular, 0644, text + "\n"}});
  }
};

}  // namespace layerkit::testing
