#include <filesystem>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit::cli {
namespace {

template <typename Find>
std::vector<MountRecord> mounts_found(Find&& find) {
  try {
    return find();
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound || error.code() == Errc::Invalid) return {};
    throw;
  }
}

/// By directory, else by container, else by image.
std::vector<MountRecord> find_mounts(Session& session,
                                     const MountTable& table,
                                     const std::string& name) {
  std::error_code no_path;
  const std::string target = std::filesystem::canonical(name, no_path).string();
  for (const auto& record : table.list()) {
    if (!no_path && record.target == target) return {record};
  }
  auto found = mounts_found([&] {
    return table.mounts_of(MountSource::Container, ContainerStore(session.store()).find(name).id);
  });
  if (!found.empty()) return found;
  return mounts_found([&] {
    return table.mounts_of(MountSource::Image, session.store().find(name).image.id().hex());
  });
}

}  // namespace

void add_unmount(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("unmount", "Undo 'mount', by name or directory")->group(kContainers);
  command->alias("umount");
  struct Options {
    bool lazy = false;
    std::vector<std::string> names;
  };
  auto options = std::make_shared<Options>();
  command->add_flag("-l,--lazy", options->lazy, "Also while something uses the mount");
  command->add_option("name", options->names, "Images, containers or directories")
      ->type_name("IMAGE|CONTAINER|DIR")
      ->required();
  command->callback([&session, options] {
    std::optional<MountTable> table;
    if (session.has_store()) table.emplace(session.store());
    for (const auto& name : options->names) {
      session.attempt([&] {
        const auto mounts = table ? find_mounts(session, *table, name) : std::vector<MountRecord>();
        if (mounts.empty()) fail(Errc::NotFound, "{} is not mounted", layerkit::quoted(name));
        for (const auto& mount : mounts) {
          table->unmount(mount, options->lazy ? UnmountMode::Lazy : UnmountMode::Now);
        }
        print_line(name);
      });
    }
  });
}

}  // namespace layerkit::cli
