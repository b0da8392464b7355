#include "cli/mount_action.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/backends.h"
#include "cli/output.h"
#include "cli/serve_verb.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/open_branches.h"
#include "layerkit/unionmount/union_client.h"

namespace layerkit::cli {
namespace {

/// Overlay's form has no "+wh": a FUSE union reads `.wh.` names in every branch, as fuse-overlayfs.
void read_whiteout_names(std::vector<Branch>& branches) {
  for (Branch& branch : branches)
    branch.attributes.whiteouts = !branch.writable();
}

UnionSpec make_spec(const MountOptions& options) {
  UnionSpec spec;
  spec.branches = open_branches(options.branches, options.read_only);
  if (options.whiteouts == WhiteoutFormat::Overlay) read_whiteout_names(spec.branches);
  check_branches(spec.branches);
  if (!options.work.empty()) spec.work = open_at(AT_FDCWD, options.work, O_PATH | O_DIRECTORY);
  spec.whiteouts = options.whiteouts;
  spec.read_only = options.read_only;
  spec.no_suid = options.no_suid;
  spec.no_dev = options.no_dev;
  spec.no_exec = options.no_exec;
  spec.no_atime = options.no_atime;
  spec.expendable_upper = options.expendable_upper;
  spec.aufs = options.aufs;
  spec.overlay = options.overlay;
  for (const std::string& path : options.data_directories)
    spec.data_directories.push_back(open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY));
  return spec;
}

FuseMounterOptions fuse_options(const MountRequest& request, const MountOptions& options) {
  FuseMounterOptions fuse;
  fuse.server_command = {"/proc/self/exe", std::string(kServeVerb)};
  if (options.allow_other) fuse.access = FuseAccess::Everybody;
  if (options.allow_root && ::geteuid() != 0)
    fail(Errc::Unsupported, "reading option 'allow_root': only allow_other is known to the kernel");
  if (request.foreground) fuse.output = ServerOutput::StandardError;
  if (!options.fs_name.empty()) {
    fuse.source = options.fs_name;
  } else if (!request.source.empty()) {
    fuse.source = request.source;
  }
  fuse.id = options.id;
  return fuse;
}

void report_warnings(const Session& session, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings)
    session.context.warn(warning);
}

}  // namespace

void mount_union(Session& session, const MountRequest& request) {
  MountOptions options = parse_mount_options(request.options);
  if (options.remount) {
    remount(session, request.mount_point, request.options);
    return;
  }
  report_warnings(session, options.warnings);
  apply_changes(options.branches, options.changes);
  if (options.branches.empty())
    fail(Errc::Invalid, "no branches are named: -o dirs=/upper:/lower, or lowerdir=/lower");
  const MountPoint target = open_mount_point(request.mount_point);
  const UnionSpec spec = make_spec(options);
  Backend backend{.type = request.type, .fuse = fuse_options(request, options)};
  backend.fuse.subtype = "aufs";
  if (request.dry) return;
  const MountedUnion mounted = mount_by_best(backend, spec, target);
  if (request.verbose) {
    print_line(fmt::format("{}: {}{}", escaped(target.path), mounted.carrier,
                           mounted.reason.empty() ? "" : " (" + mounted.reason + ")"));
    flush_output();
  }
  if (request.foreground || options.foreground) stay_until_unmounted(session, mounted, target);
}

void remount(Session& session, const std::string& mount_point, const std::string& options) {
  report_warnings(session, remount_union(mount_point, options));
}

}  // namespace layerkit::cli
