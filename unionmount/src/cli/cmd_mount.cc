#include <memory>

#include "cli/commands.h"
#include "cli/mount_action.h"

namespace layerkit::cli {
namespace {

struct MountArguments {
  std::string type = "auto";
  std::vector<std::string> options;
  std::vector<std::string> names;
  MountRequest request;
};

void mount(Session& session, MountArguments& arguments) {
  MountRequest& request = arguments.request;
  request.type = parse_union_type(arguments.type);
  request.options = joined_options(arguments.options);
  request.mount_point = arguments.names.back();
  if (arguments.names.size() > 1) request.source = arguments.names.front();
  mount_union(session, request);
}

}  // namespace

void add_mount(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("mount", "Mount a union")->group(kMounts);
  command->footer(
      "Branches, the top first:\n"
      "  -o dirs=/upper=rw:/lower=ro           AUFS: the first is rw unless it says otherwise\n"
      "  -o lowerdir=/b:/a,upperdir=/u,workdir=/w   overlayfs\n"
      "'auto' takes the kernel's overlayfs or AUFS where it can mount, and FUSE else.");
  auto arguments = std::make_shared<MountArguments>();
  command->add_option("-t,--type", arguments->type, "What carries the union")
      ->type_name("auto|overlay|aufs|fuse")
      ->default_str("auto")
      ->check(CLI::IsMember({"auto", "overlay", "aufs", "fuse"}));
  add_mount_options(*command, arguments->options);
  command->add_flag("-f,--foreground", arguments->request.foreground,
                    "Stay until it is unmounted; a signal unmounts it");
  command->add_flag("-v,--verbose", arguments->request.verbose, "Say what carries it, and why");
  command->add_option("names", arguments->names, "What the mount table shows as source, and where")
      ->type_name("[SOURCE] DIR")
      ->required()
      ->expected(1, 2);
  command->callback([&session, arguments] { mount(session, *arguments); });
}

}  // namespace layerkit::cli
