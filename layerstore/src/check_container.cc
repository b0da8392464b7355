#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

constexpr std::string_view kInitSuffix = "-init";

class ContainerCheck {
 public:
  ContainerCheck(Examination& examination,
                 const StoreFrame& frame,
                 const Survey& survey,
                 std::string name,
                 const ContainerRecord& record,
                 const FrameDir& dir)
      : examination_(examination),
        frame_(frame),
        survey_(survey),
        name_(std::move(name)),
        record_(record),
        dir_(dir) {}

  void run() {
    const bool is_init = record_.role == ContainerRole::Init;
    std::set<std::string> known{store_file::kDiff, store_file::kLink, store_file::kLower,
                                store_file::kContainer};
    if (!is_init) known.insert({store_file::kWork, store_file::kMerged});
    const StoreGround& ground = frame_.ground;
    examine_names(examination_, ground, dir_, known);
    examine_file(examination_, ground, dir_, store_file::kContainer, 0600);
    examine_small_file(examination_, frame_, dir_, store_file::kLink, link_name(name_),
                       "link-wrong", std::nullopt);
    examine_lower();
    examine_part(store_file::kDiff, std::nullopt, IfAbsent::Report);
    if (is_init) return examine_init();
    examine_part(store_file::kWork, 0700, IfAbsent::MakeEmpty);
    // Where the container is mounted the mode is that of its root.
    if (!is_mount_point_at(dir_.fd, store_file::kMerged)) {
      examine_part(store_file::kMerged, 0700, IfAbsent::MakeEmpty);
    }
    examine_init_below();
  }

 private:
  /// The root of a diff directory belongs to whoever owns the image's.
  void examine_part(const char* name, std::optional<mode_t> mode, IfAbsent if_absent) {
    if (mode) {
      examine_directory(examination_, frame_.ground, dir_, name, mode, if_absent);
      return;
    }
    const auto stat = stat_at(dir_.fd, name);
    if (stat && stat->type == FileType::Directory) return;
    examination_.found({"container-layer-damaged", dir_.object(name),
                        stat ? "it is not a directory" : "its files are missing"});
  }

  void examine_lower() {
    std::string expected;
    try {
      expected = expected_lower_above(survey_, record_.parent);
    } catch (const Error&) {
      return;  // a layer below is reported itself, and nothing else tells what is right
    }
    if (record_.role == ContainerRole::Container) {
      expected = lower_above(init_name(name_), expected);
    }
    examine_small_file(examination_, frame_, dir_, store_file::kLower,
                       expected.empty() ? std::nullopt : std::optional(expected), "lower-wrong",
                       std::nullopt);
  }

  void examine_init() {
    const std::string owner = name_.substr(0, name_.size() - kInitSuffix.size());
    const bool has_owner =
        name_.ends_with(kInitSuffix) &&
        (survey_.containers.contains(owner) || survey_.unsound_containers.contains(owner));
    if (has_owner || frame_.work_in_progress) return;
    const FrameDir overlay{frame_.overlay->get(), store_file::kOverlay};
    examination_.found({"init-layer-orphaned", overlay.object(name_), "its container is gone",
                        Severity::Leftover, Mend::Repair},
                       [&] { frame_.discard(name_); });
  }

  void examine_init_below() {
    const std::string init = init_name(name_);
    if (survey_.containers.contains(init) || survey_.unsound_containers.contains(init)) return;
    const FrameDir overlay{frame_.overlay->get(), store_file::kOverlay};
    examination_.found(
        {"init-layer-missing", overlay.object(init), "the container cannot be mounted without it"});
  }

  Examination& examination_;
  const StoreFrame& frame_;
  const Survey& survey_;
  std::string name_;
  const ContainerRecord& record_;
  const FrameDir& dir_;
};

}  // namespace

void examine_container(Examination& examination,
                       const StoreFrame& frame,
                       const Survey& survey,
                       const std::string& name,
                       const ContainerRecord& record) {
  const FrameDir overlay{frame.overlay->get(), store_file::kOverlay};
  // Containers are removed without the store's lock.
  const Examination::PassingScope passing(examination);
  if (!stat_at(overlay.fd, name)) return;
  const auto dir =
      examine_directory(examination, frame.ground, overlay, name, 0710, IfAbsent::Report);
  if (!dir) return;
  const FrameDir own{dir->get(), overlay.path + "/" + name};
  ContainerCheck(examination, frame, survey, name, record, own).run();
}

}  // namespace layerkit
