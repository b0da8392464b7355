#include <fcntl.h>

#include <atomic>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
#include "mount_api.h"
#include "overlay_mount.h"

namespace layerkit {
namespace {

/// Probed once per process. A probe that failed for want of privilege is not remembered: a process
/// may gain it by entering a user namespace.
BranchPassing best_branch_passing() {
  static std::atomic<int> known{-1};
  const int before = known.load(std::memory_order_relaxed);
  if (before >= 0) return static_cast<BranchPassing>(before);
  const std::optional<BranchPassing> found = try_branch_passing();
  if (!found) return BranchPassing::MountData;
  known.store(static_cast<int>(*found), std::memory_order_relaxed);
  return *found;
}

OverlayXattrs usable_xattrs() {
  constexpr std::size_t kMaxMapBytes = 1 << 16;  // the kernel allows 340 lines
  return usable_overlay_xattrs(read_file_at(AT_FDCWD, "/proc/self/uid_map", kMaxMapBytes));
}

Fd clone_branch(const Branch& branch, const MountAttributes& attributes) {
  const int fd = branch.directory.get();
  return branch.id_mapping ? clone_mapped_mount(fd, attributes, branch.id_mapping.get())
                           : clone_mount(fd, attributes);
}

Fd bind_branch(const Branch& branch, const UnionSpec& spec) {
  MountAttributes attributes = attributes_of(spec);
  attributes.read_only = spec.read_only || !branch.writable();
  return with_context([] { return std::string("binding the only branch"); },
                      [&] { return clone_branch(branch, attributes); });
}

/// Has the plan name clones with mapped owners instead of the branches. Gives the clones.
std::vector<Fd> map_owners(const UnionSpec& spec, OverlayPlan& plan) {
  std::vector<Fd> clones;
  for (OverlayLayer& lower : plan.lowers) {
    const Branch& branch = spec.branches[lower.branch];
    if (!branch.id_mapping) continue;
    clones.push_back(with_context([&] { return fmt::format("preparing branch {}", lower.branch); },
                                  [&] { return clone_branch(branch, {}); }));
    lower.fd = clones.back().get();
  }
  return clones;
}

/// A union of nothing: an empty directory that stays so.
Fd mount_empty(const UnionSpec& spec) {
  if (!spec.read_only) fail(Errc::Invalid, "there is no branch to write to");
  const FsContext context("tmpfs");
  int err = context.set_string("mode", "0755");
  if (err == 0) err = context.create();
  if (err != 0) fail_errno(err, "creating an empty file system");
  return context.mount(attributes_of(spec));
}

class OverlayMounter final : public Mounter {
 public:
  explicit OverlayMounter(OverlayInterface interface) : interface_(interface) {}

  std::string_view name() const noexcept override { return "overlay"; }

  DetachedMount mount(const UnionSpec& spec) const override {
    return with_context(
        [&] { return fmt::format("mounting a union of {} branches", spec.branches.size()); },
        [&] { return DetachedMount(mount_branches(spec)); });
  }

 private:
  Fd mount_branches(const UnionSpec& spec) const {
    if (spec.branches.empty()) return mount_empty(spec);
    // Overlayfs wants two directories; with nothing below, one hides nothing.
    if (spec.branches.size() == 1 && spec.data_directories.empty())
      return bind_branch(spec.branches.front(), spec);
    OverlayPlan plan = plan_overlay(spec, usable_xattrs());
    const std::vector<Fd> clones = map_owners(spec, plan);
    if (interface_ == OverlayInterface::MountCall) return mount_overlay_by_mount_call(plan);
    const BranchPassing passing = best_branch_passing();
    if (passing != BranchPassing::MountData) return mount_overlay_by_fsconfig(plan, passing);
    if (interface_ == OverlayInterface::Fsconfig)
      fail(Errc::Unsupported, "fsconfig(2) of this kernel takes no overlay branches");
    return mount_overlay_by_mount_call(plan);
  }

  OverlayInterface interface_;
};

}  // namespace

std::unique_ptr<Mounter> make_overlay_mounter(OverlayInterface interface) {
  return std::make_unique<OverlayMounter>(interface);
}

OverlayInterface probe_overlay_interface() {
  return best_branch_passing() == BranchPassing::MountData ? OverlayInterface::MountCall
                                                           : OverlayInterface::Fsconfig;
}

}  // namespace layerkit
