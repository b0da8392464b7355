#include "layerkit/imagetool/mount_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/storage_driver.h"
#include "layerkit/unionmount/mounter.h"
#include "mount_record.h"
#include "running_root.h"

namespace layerkit {
namespace {

constexpr std::size_t kKeyDigits = 24;

UnionSpec inspection_spec(LayerMount layers) {
  UnionSpec spec;
  if (layers.upper) spec.branches.push_back({std::move(layers.upper), BranchAccess::ReadWrite});
  for (auto& lower : layers.lower) {
    spec.branches.push_back({std::move(lower), BranchAccess::ReadOnly});
  }
  spec.work = std::move(layers.work);
  spec.no_suid = spec.no_dev = true;
  return spec;
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
  const FileLock held = lock();
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
                                    const std::optional<std::string>& directory) {
  // Until the record is on disk nobody may remove the layers.
  const FileLock layers_lock = images_.layers().lock(LockKind::Shared);
  require_mountable(images_.layers());
  UnionSpec spec = inspection_spec(images_.layers().mount_layers(image.top()));
  spec.read_only = true;
  MountRecord record;
  record.source = MountSource::Image;
  record.id = image.id().hex();
  return attach(make_overlay_mounter()->mount(spec), std::move(record),
                directory.value_or(root_ + "/" + image.id().hex()));
}

std::string MountTable::mount_container(const ContainerStore& store,
                                        const ContainerInfo& container,
                                        const std::optional<std::string>& directory) {
  require_mountable(images_.layers());
  const auto state = store.state(container.id);
  const bool running = state && state->status == ContainerStatus::Running && state->init;
  MountRecord record;
  record.source = MountSource::Container;
  record.id = container.id;
  // One overlay only may be mounted on an upper directory, so a running container's is shared.
  DetachedMount mount = running ? DetachedMount(clone_root_of_process(state->init->pid))
                                : make_overlay_mounter()->mount(inspection_spec(
                                      images_.layers().mount_container(container.id)));
  return attach(std::move(mount), std::move(record),
                directory.value_or(images_.layers().container_paths(container.id).merged));
}

void MountTable::unmount(const MountRecord& record, UnmountMode mode) {
  const FileLock held = lock();
  if (is_mounted(record)) layerkit::unmount(record.target, mode);
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
