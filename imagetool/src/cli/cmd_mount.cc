#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/output.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_mount.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit::cli {
namespace {

struct MountOptions {
  ImageArgument image;
  std::string directory;
  std::string backend = "auto";
  bool no_verify = false;

  std::optional<std::string> target() const {
    return directory.empty() ? std::nullopt : std::optional<std::string>(directory);
  }
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
    print_line((record.source == MountSource::Container ? "" : "sha256:") + record.id + " " +
               record.target);
  }
}

/// Where the kernel cannot mount archives.
std::string mount_unpacked(Session& session,
                           const std::shared_ptr<ImageSource>& source,
                           const MountOptions& options) {
  SaveItem item = whole_image(source);
  item.names.clear();
  store_images(session.store(), {std::move(item)}, session.context);
  return MountTable(session.store())
      .mount_image(source->image(), options.target(), parse_backend(options.backend));
}

void mount_archive(Session& session,
                   const std::shared_ptr<ImageSource>& source,
                   const MountOptions& options) {
  const MountBackend backend = parse_backend(options.backend);
  if (backend == MountBackend::Aufs || backend == MountBackend::Fuse)
    fail(Errc::Unsupported, "mounting by {}: archives are mounted by overlay", options.backend);
  const LayerCheck check = options.no_verify ? LayerCheck::None : LayerCheck::Full;
  std::optional<DetachedMount> mount;
  try {
    mount = mount_in_place(*source, check, session.context);
  } catch (const Error& error) {
    if (error.code() != Errc::Unsupported) throw;
    session.context.warn(fmt::format("{}; it is unpacked into the store instead", error.message()));
  }
  if (!mount) {
    print_line(mount_unpacked(session, source, options));
    return;
  }
  MountTable table(session.store());
  print_line(table.mount_archive(std::move(*mount), source->image(), options.target()));
}

void mount(Session& session, const MountOptions& options) {
  const std::string& object = options.image.reference;
  if (object.empty()) {
    if (session.has_store()) list_mounts(MountTable(session.store()));
    return;
  }
  const MountBackend backend = parse_backend(options.backend);
  if (session.has_store()) {
    ContainerStore store(session.store());
    // As `inspect`: a container's name hides an image's.
    if (const auto container = find_container(store, object)) {
      print_line(MountTable(session.store())
                     .mount_container(store, *container, options.target(), backend));
      return;
    }
  }
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, session.context);
  if (source->is_stored()) {
    print_line(MountTable(session.store()).mount_image(source->image(), options.target(), backend));
  } else {
    mount_archive(session, source, options);
  }
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
  command->footer(std::string("Without arguments, what is mounted is listed. ") +
                  kImageArgumentHelp +
                  " An archive is mounted where it lies, without unpacking it, where the kernel "
                  "can (Linux 6.12), and must not be changed meanwhile.");
  auto options = std::make_shared<MountOptions>();
  add_mount_backend_option(*command, options->backend);
  command->add_flag("--no-verify", options->no_verify,
                    "Of an archive: do not compare its layers with their digests");
  command
      ->add_option("--platform", options->image.platform,
                   "Of an archive for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command->add_option("object", options->image.reference, "Image or container")
      ->type_name("IMAGE|CONTAINER");
  command->add_option("directory", options->directory, "Where to mount it; made when absent")
      ->type_name("DIR");
  command->callback([&session, options] { mount(session, *options); });
}

}  // namespace layerkit::cli
