#include <fcntl.h>

#include "container_info.h"
#include "image_checks.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"

namespace layerkit {
namespace {

constexpr char kContainersDir[] = "containers";
constexpr char kLockFile[] = ".lock";
constexpr char kConfigFile[] = "config.json";
constexpr char kStateFile[] = "state.json";
constexpr char kNewPrefix[] = ".new-";
constexpr char kRemovingPrefix[] = ".removing-";
constexpr std::size_t kMaxRecordBytes = 16 << 20;

/// Why a container's record cannot be used, or nothing.
struct ContainerRead {
  std::optional<ContainerInfo> info;
  std::optional<ContainerState> state;
  std::string problem;
  std::string file;  ///< that has the problem

  /// A container of which nobody knows is not touched: it may run.
  bool is_alive() const {
    return state && ((state->init && layerkit::is_alive(*state->init)) ||
                     (state->monitor && layerkit::is_alive(*state->monitor)) ||
                     ContainerStore::is_claimed(*state));
  }
};

template <typename Parse>
void read_part(int dir, const char* name, ContainerRead& read, const Parse& parse) {
  const SmallFile file = read_small_file(dir, name, kMaxRecordBytes);
  std::string problem = file.is_absent() ? "it is missing" : file.problem;
  try {
    if (file.text) return parse(*file.text);
  } catch (const Error& error) {
    problem = error.message();
  }
  read.problem = problem;
  read.file = name;
}

ContainerRead read_container(int dir, const std::string& id) {
  ContainerRead read;
  read_part(dir, kStateFile, read,
            [&](const std::string& text) { read.state = parse_container_state(text); });
  read_part(dir, kConfigFile, read, [&](const std::string& text) {
    ContainerInfo info = parse_container_info(text);
    if (info.id != id) fail(Errc::Integrity, "it is the record of another container");
    read.info = std::move(info);
  });
  return read;
}

class ContainersCheck {
 public:
  ContainersCheck(Examination& examination,
                  const StoreGround& ground,
                  ImageSurvey& survey,
                  const FrameDir& dir)
      : examination_(examination),
        ground_(ground),
        survey_(survey),
        dir_(dir),
        lock_(try_lock_file(dir.fd, kLockFile)) {}

  void run() {
    // Records come and go without the store's lock.
    const Examination::PassingScope passing(examination_);
    for (const DirEntry& entry : list_dir(dir_.fd)) {
      const std::string& name = entry.name;
      if (name == kLockFile) continue;
      if (is_object_id(name)) {
        examine_record(name);
      } else if (const auto id = id_behind(name, kNewPrefix)) {
        examine_new(name);
      } else if (const auto going = id_behind(name, kRemovingPrefix)) {
        examine_removing(name, *going);
      } else {
        examination_.found(
            {"unexpected-name", dir_.object(name), "only records of containers belong here",
             Severity::Leftover, Mend::Repair},
            [&] { ground_.set_aside(dir_.fd, name); });
      }
    }
  }

 private:
  static std::optional<std::string> id_behind(const std::string& name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    std::string id = name.substr(prefix.size());
    return is_object_id(id) ? std::optional(std::move(id)) : std::nullopt;
  }

  void examine_new(const std::string& name) {
    if (!lock_) return;
    examination_.found(
        {"container-unfinished", dir_.object(name),
         "whoever made this record died before it was done", Severity::Leftover, Mend::Repair},
        [&] { remove_tree_at(dir_.fd, name); });
  }

  /// Its layers go, too, so this is left to the store of containers: repair_store calls its clean.
  void examine_removing(const std::string& name, const std::string& id) {
    survey_.container_ids.push_back(id);
    auto record = open_at_if_exists(dir_.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!record || !FileLock::try_lock(std::move(*record), LockKind::Shared)) return;
    examination_.found({"container-removal-unfinished", dir_.object(name),
                        "whoever removed this container died before it was done",
                        Severity::Leftover, Mend::Repair},
                       [] {});
  }

  void examine_record(const std::string& id) {
    const auto dir = examine_directory(examination_, ground_, dir_, id, 0700, IfAbsent::Report);
    if (!dir) return;
    const FrameDir record{dir->get(), dir_.path + "/" + id};
    const ContainerRead read = read_container(record.fd, id);
    survey_.container_ids.push_back(id);
    if (read.is_alive()) survey_.live_containers.insert(id);
    if (!read.problem.empty()) return report_damaged(id, record, read);
    examine_file(examination_, ground_, record, kConfigFile, 0600);
    examine_file(examination_, ground_, record, kStateFile, 0600);
    if (!read.is_alive()) {
      examine_temporaries(examination_, record);
      examine_layers(id, *read.state);
    }
    examine_image(record, *read.info);
    survey_.containers.push_back(*read.info);
  }

  /// With it no container can be listed. Its layers, which have no record any more, are put aside
  /// after it.
  void report_damaged(const std::string& id, const FrameDir& record, const ContainerRead& read) {
    const bool may_go = !read.is_alive();
    examination_.found(
        {"container-record-damaged", record.object(read.file), read.problem, Severity::Damage,
         may_go ? Mend::Repair : Mend::None},
        may_go ? Examination::Fix([&] { ground_.set_aside(dir_.fd, id); }) : Examination::Fix());
  }

  void examine_layers(const std::string& id, const ContainerState& state) {
    const std::string layer = ground_.records_of(id);
    if (stat_at(ground_.root, layer)) return;
    if (state.status != ContainerStatus::Created) {
      examination_.found(
          {"container-layer-missing", escaped(layer), "the container's files are lost"});
      return;
    }
    if (!lock_) return;
    examination_.found(
        {"container-unfinished", dir_.object(id),
         "whoever made this container died before it had layers", Severity::Leftover, Mend::Repair},
        [&] { remove_record(id); });
  }

  void remove_record(const std::string& id) const {
    const std::string going = kRemovingPrefix + id;
    rename_noreplace_at(dir_.fd, id, dir_.fd, going);
    remove_tree_at(dir_.fd, going);
  }

  void examine_image(const FrameDir& record, const ContainerInfo& info) {
    if (survey_.images.contains(info.image) || survey_.lost_images.contains(info.image)) return;
    survey_.lost_images.insert(info.image);
    examination_.found({"container-image-missing", record.object(kConfigFile),
                        fmt::format("there is no image {}", info.image.str()), Severity::Damage,
                        Mend::Archive});
  }

  Examination& examination_;
  const StoreGround& ground_;
  ImageSurvey& survey_;
  const FrameDir& dir_;
  std::optional<FileLock> lock_;  ///< held: nobody makes a record
};

}  // namespace

void examine_containers(Examination& examination, const StoreGround& ground, ImageSurvey& survey) {
  const FrameDir root{ground.root, ""};
  if (!stat_at(root.fd, kContainersDir)) return;
  const auto dir =
      examine_directory(examination, ground, root, kContainersDir, 0700, IfAbsent::Report);
  if (!dir) {
    survey.is_whole = false;
    return;
  }
  ContainersCheck(examination, ground, survey, {dir->get(), kContainersDir}).run();
}

}  // namespace layerkit
