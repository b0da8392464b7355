#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit::cli {
namespace {

struct MountOptions {
  std::string object;
  std::string directory;
  std::string backend = "auto";
};

std::optional<ContainerInfo> find_container(const ContainerStore& store, const std::string& name) {
  try {
    return store.find(name);
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

void list_mounts(const MountTable& table) {
  for (const auto& record : table.list()) {
    print_line((record.source == MountSource::Image ? "sha256:" : "") + record.id + " " +
               record.target);
  }
}

void mount(Session& session, const MountOptions& options) {
  if (options.object.empty()) {
    if (session.has_store()) list_mounts(MountTable(session.store()));
    return;
  }
  MountTable table(session.store_with("image", options.object));
  const auto directory =
      options.directory.empty() ? std::nullopt : std::optional<std::string>(options.directory);
  const MountBackend backend = parse_backend(options.backend);
  ContainerStore store(session.store());
  // As `inspect`: a container's name hides an image's.
  if (const auto container = find_container(store, options.object)) {
    print_line(table.mount_container(store, *container, directory, backend));
    return;
  }
  print_line(table.mount_image(session.store().find(options.object).image, directory, backend));
}

}  // namespace

void add_mount_backend_option(CLI::App& command, std::string& backend) {
  command
      .add_option("--mount-backend", backend,
                  "What mounts the layers: the kernel's overlayfs or AUFS, or FUSE; auto: the "
                  "kernel where it can, else FUSE")
      ->type_name("auto|overlay|aufs|fuse")
      ->check(CLI::IsMember({"auto", "overlay", "aufs", "fuse"}))
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_mount(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("mount", "Mount an image (read-only) or a container; print the path")
          ->group(kContainers);
  command->footer("Without arguments, what is mounted is listed.");
  auto options = std::make_shared<MountOptions>();
  add_mount_backend_option(*command, options->backend);
  command->add_option("object", options->object, "Image or container")
      ->type_name("IMAGE|CONTAINER");
  command->add_option("directory", options->directory, "Where to mount it; made when absent")
      ->type_name("DIR");
  command->callback([&session, options] { mount(session, *options); });
}

}  // namespace layerkit::cli
