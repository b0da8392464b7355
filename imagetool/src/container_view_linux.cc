#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <thread>

#include "container_view.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit {
namespace {

constexpr int kServerPatienceMs = 10'000;

Fd clone_tree(int directory, const std::string& path, unsigned flags) {
  Fd tree(::open_tree(directory, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
  const int err = errno;
  if (!tree) fail_errno(err, "showing {} in the container", quoted(path));
  return tree;
}

void attach(const Fd& tree, int place, const char* path, unsigned flags) {
  if (::move_mount(tree.get(), "", place, path, MOVE_MOUNT_F_EMPTY_PATH | flags) == 0) return;
  fail_errno(errno, "combining the container's mounts");
}

void make_read_only(const Fd& mount) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    fail_errno(errno, "making the container's root read-only");
}

Fd show(const MountedObject& mount) {
  Fd tree = clone_tree(AT_FDCWD, mount.source, AT_RECURSIVE);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (mount.read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                      sizeof attributes) != 0) {
    fail_errno(errno, "showing {} in the container", quoted(mount.source));
  }
  return tree;
}

/// Where the container has made something else of the place there is none.
std::optional<Fd> find_place(const RootDir& top, const std::string& destination) {
  try {
    return top.open_if_exists(RelPath::parse(destination), O_PATH, Follow::InRoot);
  } catch (const Error& error) {
    if (error.sys_errno() != ELOOP) throw;
    return std::nullopt;
  }
}

void place_mount(const RootDir& top, const std::string& destination, const Fd& tree) {
  const auto target = find_place(top, destination);
  if (!target) return;
  const auto is_directory = [](const Fd& fd) {
    return stat_fd(fd.get()).type == FileType::Directory;
  };
  if (is_directory(*target) == is_directory(tree))
    attach(tree, target->get(), "", MOVE_MOUNT_T_EMPTY_PATH);
}

/// In a mount namespace of the calling thread's own, which ends with it.
Fd combine(const Fd& root, const std::vector<MountedObject>& mounts, const std::string& place) {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0)
    fail_errno(errno, "making a mount namespace to look at the container");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    fail_errno(errno, "making mounts private");
  // Before the root covers anything of the host.
  std::vector<Fd> trees;
  for (const auto& mount : mounts)
    trees.push_back(show(mount));
  attach(root, AT_FDCWD, place.c_str(), 0);
  const RootDir top(open_at(AT_FDCWD, place, O_PATH | O_DIRECTORY));
  for (std::size_t i = 0; i < mounts.size(); ++i)
    place_mount(top, mounts[i].destination, trees[i]);
  return clone_tree(top.fd(), "", AT_EMPTY_PATH | AT_RECURSIVE);
}

/// In the order in which they are made when the container starts.
std::vector<MountedObject> mounts_of(const ContainerStore& store, const ContainerInfo& info) {
  std::vector<MountedObject> mounts;
  for (const auto& volume : info.volumes)
    mounts.push_back({store.path(info.id) + "/volumes/" + volume.name, volume.destination, false});
  for (const auto& bind : info.options.binds)
    mounts.push_back({bind.source, bind.destination, bind.access == MountAccess::ReadOnly});
  // Parents before what is in them.
  std::stable_sort(mounts.begin(), mounts.end(), [](const auto& a, const auto& b) {
    return RelPath::parse(a.destination) < RelPath::parse(b.destination);
  });
  std::vector<MountedObject> files;
  for (const char* file : {"hostname", "hosts", "resolv.conf"}) {
    files.push_back({store.path(info.id) + "/" + file, std::string("/etc/") + file,
                     info.options.read_only_rootfs});
  }
  mounts.insert(mounts.begin(), files.begin(), files.end());
  return mounts;
}

}  // namespace

Fd mount_inside(Fd root, const std::vector<MountedObject>& mounts, const std::string& place) {
  if (mounts.empty()) return root;
  Fd combined;
  std::exception_ptr failure;
  std::thread([&] {
    try {
      combined = combine(root, mounts, place);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return combined;
}

ContainerView::ContainerView(ContainerStore& store, const ContainerInfo& container)
    : store_(store), container_(container) {
  const auto state = store.state(container.id);
  const bool runs = state && state->status == ContainerStatus::Running;
  if (!runs) {
    store.claim(container, ContainerStore::Use::Stopped);
    is_claimed_ = true;
  }
  try {
    open_root();
  } catch (const Error&) {
    if (is_claimed_) store.release_claim(container.id);
    throw;
  }
}

void ContainerView::open_root() {
  MountTable table(store_.images());
  const FileLock lock = table.lock();
  Fd root;
  if (is_claimed_) {
    MountedLayers mounted = table.open_container(store_, container_, MountBackend::Auto);
    server_ = std::move(mounted.server);
    root = std::move(mounted.mount).release();
    if (container_.options.read_only_rootfs) make_read_only(root);
  } else {
    // Unclaimed it is looked at while it runs, and never mounted.
    root = clone_running_root(container_, store_.state(container_.id).value_or(ContainerState()));
  }
  root_ = mount_inside(std::move(root), mounts_of(store_, container_), store_.path(container_.id));
}

ContainerView::~ContainerView() {
  root_.reset();
  try {
    static_cast<void>(await_server_end(server_, kServerPatienceMs));
    if (is_claimed_) store_.release_claim(container_.id);
  } catch (const Error&) {
    // A claim ends with the process that has it.
    is_claimed_ = false;
  }
}

}  // namespace layerkit
