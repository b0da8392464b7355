#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mount_info.h"

namespace layerkit::cli {
namespace {

void unmount_one(const std::string& path, UnmountMode mode) {
  if (!find_mount(path)) fail(Errc::NotFound, "{} is not mounted", quoted(path));
  // A symlink is followed, as umount(8) does; what is unmounted then has none in it.
  static_cast<void>(unmount_with_help(std::filesystem::canonical(path).string(), mode));
}

}  // namespace

void add_umount(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("umount", "Unmount unions")->group(kMounts);
  command->alias("unmount");
  struct Arguments {
    bool lazy = false;
    std::vector<std::string> mount_points;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_flag("-l,--lazy", arguments->lazy, "Also while something uses the union");
  command->add_option("mountpoint", arguments->mount_points, "Where they are mounted")
      ->type_name("MOUNTPOINT")
      ->required();
  command->callback([&session, arguments] {
    for (const std::string& path : arguments->mount_points) {
      session.attempt(
          [&] { unmount_one(path, arguments->lazy ? UnmountMode::Lazy : UnmountMode::Now); });
    }
  });
}

}  // namespace layerkit::cli
