#include "layerkit/imagetool/mount_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/mounter.h"
#include "layerkit/unionmount/union_client.h"
#include "mount_record.h"
#include "running_root.h"

namespace layerkit {
namespace {

constexpr std::size_t kKeyDigits = 24;
constexpr int kServerPatienceMs = 10'000;

/// What is mounted there, once more.
DetachedMount show_again(const MountRecord& shown) {
  UnionSpec spec;
  spec.branches.push_back({open_at(AT_FDCWD, shown.target, O_PATH | O_DIRECTORY | O_NOFOLLOW),
                           BranchAccess::ReadWrite});
  spec.no_suid = spec.no_dev = true;
  return make_overlay_mounter()->mount(spec);
}

/// A mount that others have made is shown as it is, or not at all.
void require_same(const ContainerInfo& container, MountBackend is, MountBackend wanted) {
  if (wanted == MountBackend::Auto || is == MountBackend::Auto || wanted == is) return;
  fail(Errc::Invalid, "mounting container {} by {}: it is mounted by {} now", container.name,
       backend_name(wanted), backend_name(is));
}

/// The process that serves the FUSE union there, where it is one.
std::optional<Fd> server_of(const MountRecord& record) {
  const auto mount = find_mount(record.target);
  const auto served = mount ? find_union(*mount) : std::nullopt;
  const auto process = served ? identify_process(served->pid) : std::nullopt;
  return process ? open_process(*process) : std::nullopt;
}

}  // namespace

MountTable::MountTable(ImageStore& images)
    : images_(images), root_(images.root() + "/" + kMountsDir) {
  make_dirs(root_, 0700);
  dir_ = open_dir_at(AT_FDCWD, root_);
}

FileLock MountTable::lock() const {
  return FileLock(dir_.get(), kMountsLock, LockKind::Exclusive);
}

std::vector<MountRecord> MountTable::read_all_records() const {
  std::vector<MountRecord> records;
  for (const auto& entry : list_dir(dir_.get())) {
    const std::string_view name = entry.name;
    if (name.starts_with('.') || !name.ends_with(kMountSuffix)) continue;
    try {
      records.push_back(
          parse_mount_record(std::string(name.substr(0, name.size() - kMountSuffix.size())),
                             read_file_at(dir_.get(), entry.name, kMaxMountRecordBytes)));
    } catch (Error& error) {
      if (error.code() == Errc::NotFound) continue;  // unmounted meanwhile
      error.add_context(fmt::format("reading {}/{}", root_, entry.name));
      throw;
    }
  }
  return records;
}

std::vector<MountRecord> MountTable::list() const {
  auto records = read_all_records();
  std::erase_if(records, [](const MountRecord& record) { return !is_mounted(record); });
  return records;
}

std::vector<MountRecord> MountTable::mounts_of(MountSource source, const std::string& id) const {
  auto records = list();
  std::erase_if(records, [&](const MountRecord& record) {
    return record.source != source || record.id != id;
  });
  return records;
}

void MountTable::forget(const MountRecord& record) {
  // A directory that somebody put files into is not ours to remove any more.
  if (record.created_directory) ::rmdir(record.target.c_str());
  unlink_at(dir_.get(), record.key + std::string(kMountSuffix));
}

void MountTable::drop_void_records() {
  for (const auto& record : read_all_records()) {
    if (!is_mounted(record)) forget(record);
  }
}

void MountTable::clean() {
  const FileLock held = lock();
  drop_void_records();
}

std::string MountTable::attach(DetachedMount mount,
                               MountRecord record,
                               const std::string& directory) {
  drop_void_records();
  record.created_directory = !stat_at(AT_FDCWD, directory).has_value();
  make_dirs(directory, 0755);
  record.target = std::filesystem::canonical(directory).string();
  const auto current = list();
  if (std::any_of(current.begin(), current.end(),
                  [&](const MountRecord& other) { return other.target == record.target; })) {
    fail(Errc::Busy, "mounting at {}: something is mounted there already",
         layerkit::quoted(record.target));
  }
  const FileStat root = stat_fd(mount.fd());
  record.dev = root.dev;
  record.ino = root.ino;
  record.key = random_hex(kKeyDigits);
  try {
    replace_file_at(dir_.get(), record.key + std::string(kMountSuffix), format_mount_record(record),
                    0600);
    const Fd target = open_at(AT_FDCWD, record.target, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    std::move(mount).attach(target.get(), record.target);
  } catch (const Error&) {
    forget(record);
    throw;
  }
  return record.target;
}

std::string MountTable::mount_image(const Image& image,
                                    const std::optional<std::string>& directory,
                                    MountBackend backend) {
  // Until the record is on disk nobody may remove the layers.
  const FileLock layers_lock = images_.layers().lock(LockKind::Shared);
  const FileLock held = lock();
  MountedLayers mounted = mount_layers(images_.layers(), images_.layers().mount_layers(image.top()),
                                       {.backend = backend, .power = MountPower::NoSuidNoDev});
  MountRecord record;
  record.source = MountSource::Image;
  record.id = image.id().hex();
  record.backend = mounted.backend;
  return attach(std::move(mounted.mount), std::move(record),
                directory.value_or(root_ + "/" + image.id().hex()));
}

std::string MountTable::mount_archive(DetachedMount mount,
                                      const Image& image,
                                      const std::optional<std::string>& directory) {
  const FileLock held = lock();
  MountRecord record;
  record.source = MountSource::Archive;
  record.id = image.id().hex();
  record.backend = MountBackend::Overlay;
  return attach(std::move(mount), std::move(record),
                directory.value_or(root_ + "/" + image.id().hex()));
}

Fd clone_running_root(const ContainerInfo& container, const ContainerState& state) {
  const auto process = state.init ? open_process(*state.init) : std::nullopt;
  if (process) {
    Fd root = clone_root_of_process(state.init->pid);
    // The number meant that process all the time.
    if (!wait_for_exit(process->get(), 0)) return root;
  }
  fail(Errc::Busy, "container {} is starting or ending, try again", container.name);
}

MountedLayers MountTable::open_container(const ContainerStore& store,
                                         const ContainerInfo& container,
                                         MountBackend backend) {
  const Store& layers = images_.layers();
  const auto state = store.state(container.id);
  const MountBackend before = state ? state->backend : MountBackend::Auto;
  if (state && state->status == ContainerStatus::Running) {
    require_same(container, before, backend);
    return {DetachedMount(clone_running_root(container, *state)), before, Fd()};
  }
  if (const auto shown = mounts_of(MountSource::Container, container.id); !shown.empty()) {
    require_same(container, shown.front().backend, backend);
    return {show_again(shown.front()), shown.front().backend, Fd()};
  }
  if (backend == MountBackend::Auto) backend = before;
  if (backend == MountBackend::Auto) backend = container.backend;
  return mount_layers(layers, layers.mount_container(container.id),
                      {.backend = backend, .power = MountPower::NoSuidNoDev});
}

std::string MountTable::mount_container(const ContainerStore& store,
                                        const ContainerInfo& container,
                                        const std::optional<std::string>& directory,
                                        MountBackend backend) {
  const FileLock held = lock();
  const auto state = store.state(container.id);
  if (state && state->status != ContainerStatus::Running && ContainerStore::is_claimed(*state)) {
    fail(Errc::Busy, "mounting container {}: process {} is starting or removing it", container.name,
         state->claimed_by->pid);
  }
  MountedLayers mounted = open_container(store, container, backend);
  MountRecord record;
  record.source = MountSource::Container;
  record.id = container.id;
  record.backend = mounted.backend;
  return attach(std::move(mounted.mount), std::move(record),
                directory.value_or(images_.layers().container_paths(container.id).merged));
}

/// Whether nothing else shows the file system of a mount that has just been taken away.
bool MountTable::is_alone(const MountRecord& record) const {
  const auto mounts = read_mount_info();
  if (std::ranges::any_of(mounts, [&](const MountInfo& m) { return m.device == record.dev; }))
    return false;
  if (record.source != MountSource::Container) return true;
  const auto state = ContainerStore(images_).state(record.id);
  return !state || state->status != ContainerStatus::Running;
}

void MountTable::unmount(const MountRecord& record, UnmountMode mode) {
  const FileLock held = lock();
  if (is_mounted(record)) {
    const auto server = mode == UnmountMode::Now ? server_of(record) : std::nullopt;
    layerkit::unmount(record.target, mode);
    // Until it has ended nobody else may write to these directories.
    if (server && is_alone(record)) wait_for_exit(server->get(), kServerPatienceMs);
  }
  forget(record);
}

std::vector<std::string> users_of_image(ImageStore& images, const ImageId& image) {
  std::vector<std::string> users = containers_of_image(images, image);
  for (const auto& record : MountTable(images).mounts_of(MountSource::Image, image.hex())) {
    users.push_back("mount at " + layerkit::quoted(record.target));
  }
  return users;
}

}  // namespace layerkit
