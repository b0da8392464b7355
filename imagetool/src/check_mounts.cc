#include <fcntl.h>

#include "image_checks.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "mount_record.h"

namespace layerkit {
namespace {

/// nullopt when it went away meanwhile.
std::optional<MountRecord> read_mount(const FrameDir& dir,
                                      const std::string& name,
                                      std::string& problem) {
  const SmallFile file = read_small_file(dir.fd, name, kMaxMountRecordBytes);
  problem = file.problem;
  if (!file.text) return std::nullopt;
  try {
    return parse_mount_record(name.substr(0, name.size() - kMountSuffix.size()), *file.text);
  } catch (const Error& error) {
    problem = error.message();
    return std::nullopt;
  }
}

void note_mount(const MountRecord& record, ImageSurvey& survey) {
  if (record.source == MountSource::Container) {
    survey.live_containers.insert(record.id);
  } else if (record.source == MountSource::Image && is_object_id(record.id)) {
    survey.mounted_images.insert(ImageId::from_hex(record.id));
  }
}

void examine_mount(Examination& examination,
                   const StoreGround& ground,
                   const FrameDir& dir,
                   const std::string& name,
                   ImageSurvey& survey) {
  std::string problem;
  const auto record = read_mount(dir, name, problem);
  if (!record) {
    if (problem.empty()) return;
    examination.found(
        {"mount-record-damaged", dir.object(name), problem, Severity::Damage, Mend::Repair},
        [&] { ground.set_aside(dir.fd, name); });
    return;
  }
  if (is_mounted(*record)) return note_mount(*record, survey);
  // Removed by MountTable::clean, which repair_store calls, with the directory made for it.
  examination.found({"mount-record-void", dir.object(name),
                     fmt::format("nothing of it is mounted at {} any more", quoted(record->target)),
                     Severity::Leftover, Mend::Repair},
                    [] {});
}

}  // namespace

void examine_mounts(Examination& examination, const StoreGround& ground, ImageSurvey& survey) {
  const FrameDir root{ground.root, ""};
  if (!stat_at(root.fd, kMountsDir)) return;
  const auto fd = examine_directory(examination, ground, root, kMountsDir, 0700, IfAbsent::Report);
  if (!fd) return;
  const FrameDir dir{fd->get(), kMountsDir};
  // Held: nobody is between writing a record and attaching its mount.
  const auto lock = try_lock_file(dir.fd, kMountsLock);
  if (!lock) return;
  const Examination::PassingScope passing(examination);
  examine_temporaries(examination, dir);
  for (const DirEntry& entry : list_dir(dir.fd)) {
    const bool is_record = !entry.name.starts_with('.') && entry.name.ends_with(kMountSuffix);
    if (is_record) examine_mount(examination, ground, dir, entry.name, survey);
  }
}

}  // namespace layerkit
