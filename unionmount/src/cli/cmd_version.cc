#include <fmt/format.h>
#include <sys/utsname.h>

#include <cerrno>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mounter.h"

namespace layerkit::cli {
namespace {

std::string_view overlay_interface() {
  return probe_overlay_interface() == OverlayInterface::Fsconfig ? "fsconfig" : "mount";
}

void print_version() {
  utsname names{};
  if (::uname(&names) != 0) fail_errno(errno, "reading the name of this machine");
  print_line(fmt::format("Version:         {}", LAYERKIT_VERSION));
  print_line(fmt::format("Kernel version:  {}", names.release));
  print_line(fmt::format("overlay:         by {}", overlay_interface()));
  print_line(fmt::format("aufs:            {}", kernel_has_aufs() ? "in this kernel" : "by FUSE"));
  print_line(fmt::format("fuse:            by {}", may_mount_fuse() ? "this user" : "fusermount3"));
}

}  // namespace

void add_version(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("version", "Show the version, and what can carry unions here")
          ->group(kSystem);
  command->callback([] { print_version(); });
}

}  // namespace layerkit::cli
