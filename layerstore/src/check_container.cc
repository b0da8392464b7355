#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_checks.h"

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
    frame_.check->examine_layer(examination_, dir_, expected_frame(survey_, name_, record_),
                                {store_file::kContainer});
    examine_file(examination_, frame_.ground, dir_, store_file::kContainer, 0600);
    examine_diff();
    is_init ? examine_init() : examine_init_below();
  }

 private:
  void examine_diff() {
    const auto diff = frame_.check->diff(dir_, name_);
    if (!diff) return;
    const auto stat = stat_at(diff->parent.fd, diff->name);
    if (stat && stat->type == FileType::Directory) return;
    examination_.found({"container-layer-damaged", diff->object(),
                        stat ? "it is not a directory" : "its files are missing"});
  }

  void examine_init() {
    const std::string owner = name_.substr(0, name_.size() - kInitSuffix.size());
    const bool has_owner =
        name_.ends_with(kInitSuffix) &&
        (survey_.containers.contains(owner) || survey_.unsound_containers.contains(owner));
    if (has_owner || frame_.work_in_progress) return;
    examination_.found({"init-layer-orphaned", frame_.check->records().object(name_),
                        "its container is gone", Severity::Leftover, Mend::Repair},
                       [&] { frame_.discard(name_); });
  }

  void examine_init_below() {
    const std::string init = init_name(name_);
    if (survey_.containers.contains(init) || survey_.unsound_containers.contains(init)) return;
    examination_.found({"init-layer-missing", frame_.check->records().object(init),
                        "the container cannot be mounted without it"});
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
  const FrameDir records = frame.check->records();
  // Containers are removed without the store's lock.
  const Examination::PassingScope passing(examination);
  if (!stat_at(records.fd, name)) return;
  const auto dir =
      examine_directory(examination, frame.ground, records, name, 0710, IfAbsent::Report);
  if (!dir) return;
  const FrameDir own{dir->get(), records.path + "/" + name};
  ContainerCheck(examination, frame, survey, name, record, own).run();
}

}  // namespace layerkit
