#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "file_at.h"
#include "fuse_server.h"
#include "kernel_notices.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_union.h"
#include "layerkit/unionmount/open_branches.h"
#include "overlay_plan.h"

namespace layerkit {
namespace {

OverlayXattrs private_xattrs() {
  constexpr std::size_t kMaxMapBytes = 1 << 16;
  return usable_overlay_xattrs(read_file_at(AT_FDCWD, "/proc/self/uid_map", kMaxMapBytes));
}

std::string path_of(const Branch& branch) {
  if (!branch.path.empty()) return branch.path;
  return read_link_at(AT_FDCWD, proc_name(branch.directory.get(), ""));
}

std::unique_ptr<PrivateArea> open_area(const LiveBranch& branch, const Fd& work) {
  if (branch.format == WhiteoutFormat::Aufs)
    return PrivateArea::open_aufs(branch.root.get(), branch.attributes);
  if (!work) fail(Errc::Invalid, "the top branch is writable, but there is no work directory");
  return PrivateArea::open_overlay(work.get());
}

/// Other file systems may say at close(2) what became of the data; these never do.
bool is_quiet_at_close(int fd) {
  constexpr std::uint32_t kExt = 0xef53;  // <linux/magic.h> lacks XFS and bcachefs
  constexpr std::uint32_t kXfs = 0x58465342;
  constexpr std::uint32_t kBcachefs = 0xca451a4e;
  constexpr std::array<std::uint32_t, 7> kQuiet = {
      kExt, kXfs, kBcachefs, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC};
  struct statfs info = {};
  if (::fstatfs(fd, &info) != 0) return false;
  return std::find(kQuiet.begin(), kQuiet.end(), static_cast<std::uint32_t>(info.f_type)) !=
         kQuiet.end();
}

std::unique_ptr<LiveBranch> go_live(
    Branch branch, WhiteoutFormat format, OverlayXattrs xattrs, bool no_atime, const Fd& work) {
  auto live = std::make_unique<LiveBranch>();
  live->path = path_of(branch);
  live->access = branch.access;
  live->attributes = branch.attributes;
  live->format = format;
  live->overlay_xattrs = xattrs;
  live->root = open_name(branch.directory.get(), ".", O_PATH | O_DIRECTORY);
  live->device = stat_open(live->root.get()).st_dev;
  live->keeps_no_atime = no_atime;
  live->fails_at_close = !is_quiet_at_close(live->root.get());
  with_context([&] { return "opening the branch " + quoted(live->path); },
               [&] {
                 if (live->writable()) live->area = open_area(*live, work);
               });
  return live;
}

/// Whoever opens files in the union must not be stopped by the descriptors of this process.
std::size_t raise_open_files() noexcept {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

UnionFs::Config make_config(UnionSpec spec) {
  constexpr std::size_t kMaxDirectoryFds = 1 << 16;
  UnionFs::Config config;
  config.settings = spec.aufs;
  config.format = spec.whiteouts;
  config.expendable_upper = spec.expendable_upper;
  config.may_change_owners = may_change_owners();
  config.directory_fds = std::clamp<std::size_t>(raise_open_files() / 4, 16, kMaxDirectoryFds);
  const OverlayXattrs xattrs = private_xattrs();
  for (Branch& branch : spec.branches) {
    if (spec.read_only && branch.writable()) branch.access = BranchAccess::ReadOnly;
    config.branches.push_back(
        go_live(std::move(branch), spec.whiteouts, xattrs, spec.no_atime, spec.work));
  }
  if (config.branches.empty()) fail(Errc::Invalid, "a union without branches");
  return config;
}

struct EndSession {
  void operator()(fuse_session* session) const noexcept { fuse_session_destroy(session); }
};
using Session = std::unique_ptr<fuse_session, EndSession>;

Session open_session(FuseServer& server, Fd device) {
  char name[] = "fuse-aufs";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  Session session(fuse_session_new(&args, &union_operations(), sizeof union_operations(), &server));
  fuse_opt_free_args(&args);
  if (session == nullptr) fail(Errc::Unsupported, "libfuse made no session");
  // Whoever waits to unmount a branch must not wait for the end of this process.
  const WireHooks hooks = {.answer = answer_raw_request,
                           .gone = [](void* user) { static_cast<FuseServer*>(user)->fs.let_go(); },
                           .user = &server};
  const fuse_custom_io io = wire_io(server.features, hooks);
  if (fuse_session_custom_io(session.get(), &io, device.release()) != 0)
    fail(Errc::Unsupported, "libfuse did not take the device");
  // Where the kernel did not agree, the first try fails and is the last.
  if (server.features.wants_passthrough)
    server.backing_files.enable(fuse_session_fd(session.get()));
  return session;
}

/// `change` returns what the kernel is to be told.
template <typename Change>
void change_and_tell(FuseServer& server, fuse_session* session, Change&& change) {
  UnionFs::Outdated outdated;
  {
    const std::unique_lock silence(server.telling);
    outdated = change();
  }
  tell_kernel(server, session, outdated);
}

void watch_branches(FuseServer& server, fuse_session* session) {
  server.fs.use_watch(std::make_unique<BranchWatch>(
      [&server, session](const Node* directory, const std::string& name) {
        change_and_tell(server, session, [&] {
          return directory != nullptr ? server.fs.others_changed(*directory, name)
                                      : server.fs.others_changed_anything();
        });
      }));
}

class LiveControl final : public UnionControl {
 public:
  LiveControl(FuseServer& server, fuse_session* session, WhiteoutFormat format, bool no_atime)
      : server_(server), session_(session), format_(format), no_atime_(no_atime) {}

  std::vector<BranchState> branches() const override { return server_.fs.branch_states(); }

  void insert_branch(int index, Branch branch) override {
    // One that is there already is not opened a second time: its lock is taken.
    for (const BranchState& known : branches())
      if (known.path == path_of(branch)) return;
    check_beside_others(branch);
    std::unique_ptr<LiveBranch> live =
        go_live(std::move(branch), format_, private_xattrs(), no_atime_, Fd());
    change([&] { return server_.fs.insert_branch(index, std::move(live)); });
  }

  void delete_branch(const std::string& path) override {
    change([&] { return server_.fs.delete_branch(path); });
  }

  void modify_branch(const std::string& path,
                     BranchAccess access,
                     const BranchAttributes& attributes) override {
    std::unique_ptr<PrivateArea> area;
    if (access == BranchAccess::ReadWrite) area = server_.fs.open_area_for(path, attributes);
    change([&] { return server_.fs.modify_branch(path, access, attributes, std::move(area)); });
  }

  void change_settings(const AufsSettings& settings) override {
    change([&] { return server_.fs.change_settings(settings); });
  }

 private:
  void check_beside_others(const Branch& branch) const {
    std::vector<Branch> all = server_.fs.opened_branches();
    all.push_back({.directory = branch.directory.duplicate(), .path = path_of(branch)});
    check_branches(all);
  }

  template <typename Change>
  void change(Change&& change) {
    change_and_tell(server_, session_, std::forward<Change>(change));
  }

  FuseServer& server_;
  fuse_session* session_;
  WhiteoutFormat format_;
  bool no_atime_;
};

}  // namespace

void serve_fuse_union(UnionSpec spec, Fd fuse_device, const UnionServerOptions& options) {
  const WhiteoutFormat format = spec.whiteouts;
  const bool no_atime = spec.no_atime;
  const bool watches = spec.aufs.udba == Udba::Notify;
  const bool is_immutable = spec.read_only && spec.aufs.udba == Udba::None;
  UnionFs fs(make_config(std::move(spec)));
  FuseServer server = {
      .fs = fs,
      .features = {.wants_passthrough = options.passthrough && !options.writeback && !is_immutable,
                   .passthrough = false},
      .backing_files = {},
      .listing_demand = {},
      .writeback = options.writeback,
      .is_immutable = is_immutable};
  const Session session = open_session(server, std::move(fuse_device));
  if (watches) watch_branches(server, session.get());
  LiveControl control(server, session.get(), format, no_atime);
  options.on_control(&control);

  fuse_loop_config* loop = fuse_loop_cfg_create();
  const std::size_t threads = options.threads != 0
                                  ? options.threads
                                  : std::max<std::size_t>(2, std::thread::hardware_concurrency());
  fuse_loop_cfg_set_max_threads(loop, static_cast<unsigned>(threads));
  fuse_loop_cfg_set_idle_threads(loop, static_cast<unsigned>(threads));
  fuse_session_loop_mt(session.get(), loop);
  fuse_loop_cfg_destroy(loop);
  options.on_control(nullptr);
  server.fs.use_watch(nullptr);  // it speaks to the session
}

}  // namespace layerkit
