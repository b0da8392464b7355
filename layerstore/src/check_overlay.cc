#include "check_driver.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

/// What stands in `l` for a directory.
std::string link_target(const std::string& directory) {
  return fmt::format("../{}/{}", directory, store_file::kDiff);
}

class LinksCheck {
 public:
  LinksCheck(Examination& examination,
             const StoreFrame& frame,
             const FrameDir& links,
             const Survey& survey)
      : examination_(examination), frame_(frame), links_(links) {
    for (const std::string& directory : survey.directories)
      wanted_.emplace(link_name(directory), directory);
  }

  void run() {
    for (const auto& [name, directory] : wanted_)
      examine_wanted(name, directory);
    for (const DirEntry& entry : list_dir(links_.fd)) {
      if (!wanted_.contains(entry.name)) examine_other(entry.name);
    }
  }

 private:
  void examine_wanted(const std::string& name, const std::string& directory) {
    const auto stat = stat_at(links_.fd, name);
    const bool is_link = stat && stat->type == FileType::Symlink;
    const std::string target = is_link ? read_link_at(links_.fd, name) : "";
    if (target == link_target(directory)) return;
    std::string detail = "it is missing";
    if (stat) detail = "it is not a symlink";
    if (is_link) detail = fmt::format("it leads to {}", quoted(target));
    // That of a container goes a moment after the container.
    examination_.found_passing(
        {"short-link-wrong", links_.object(name),
         fmt::format("{}; it should lead to {}", detail, quoted(link_target(directory))),
         Severity::Damage, Mend::Repair},
        [&] { make_link(name, directory); });
  }

  void make_link(const std::string& name, const std::string& directory) const {
    const auto stat = stat_at(links_.fd, name);
    if (stat && stat->type == FileType::Symlink) unlink_at(links_.fd, name);
    if (stat && stat->type != FileType::Symlink) frame_.ground.set_aside(links_.fd, name);
    make_symlink_at(link_target(directory), links_.fd, name);
    sync_fd(links_.fd, store_file::kLinks);
  }

  void examine_other(const std::string& name) {
    const auto stat = stat_at(links_.fd, name);
    if (!stat) return;
    if (stat->type != FileType::Symlink) {
      examination_.found({"unexpected-name", links_.object(name), "only symlinks belong here",
                          Severity::Leftover, Mend::Repair},
                         [&] { frame_.ground.set_aside(links_.fd, name); });
      return;
    }
    // Links are made before the directories they lead to.
    if (frame_.work_in_progress) return;
    examination_.found_passing(
        {"short-link-dangling", links_.object(name), "it stands for no directory of the store",
         Severity::Leftover, Mend::Repair},
        [&] {
          unlink_at(links_.fd, name);
          sync_fd(links_.fd, store_file::kLinks);
        });
  }

  Examination& examination_;
  const StoreFrame& frame_;
  FrameDir links_;
  std::map<std::string, std::string> wanted_;  ///< link to directory
};

/// `overlay2`: all parts of a layer in one directory, short names for them in `l`.
class OverlayCheck final : public DriverCheck {
 public:
  OverlayCheck(const StoreGround& ground, Fd layers, std::optional<Fd> links)
      : ground_(ground), layers_(std::move(layers)), links_(std::move(links)) {}

  FrameDir records() const override { return {layers_.get(), store_file::kOverlay}; }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (DirEntry& entry : list_dir(layers_.get())) {
      if (entry.name != store_file::kLinks) names.push_back(std::move(entry.name));
    }
    return names;
  }

  std::optional<FrameEntry> diff(const FrameDir& own, const std::string& /*name*/) const override {
    return FrameEntry{own, store_file::kDiff};
  }

  void examine_layer(Examination& examination,
                     const FrameDir& own,
                     const ExpectedFrame& expected,
                     std::set<std::string> records) const override {
    const LayerFrame& layer = expected.layer;
    records.insert({store_file::kDiff, store_file::kLink, store_file::kLower});
    if (layer.kind == LayerKind::Image) records.insert(store_file::kCommitted);
    if (layer.kind == LayerKind::Container)
      records.insert({store_file::kWork, store_file::kMerged});
    examine_names(examination, ground_, own, records);
    const auto chain = layer.kind == LayerKind::Image ? std::optional(ChainId::from_hex(layer.name))
                                                      : std::nullopt;
    examine_small_file(examination, ground_, own, store_file::kLink, link_name(layer.name),
                       "link-wrong", chain);
    if (expected.below == ExpectedFrame::Below::Known) {
      examine_small_file(examination, ground_, own, store_file::kLower,
                         layer.below ? std::optional(lower_text(*layer.below)) : std::nullopt,
                         "lower-wrong", chain);
    }
    if (layer.kind == LayerKind::Image) examine_committed(examination, own, chain);
    if (layer.kind == LayerKind::Container) examine_mount_directories(examination, own);
  }

  void examine_rest(Examination& examination,
                    const StoreFrame& frame,
                    const Survey& survey) const override {
    if (!links_) return;
    LinksCheck(examination, frame, {links_->get(), links_path()}, survey).run();
  }

  void set_aside(const std::string& name) const override { ground_.set_aside(layers_.get(), name); }

  bool is_mounted(const std::string& name) const override {
    return is_mount_point_at(open_dir_at(layers_.get(), name).get(), store_file::kMerged);
  }

 private:
  static std::string links_path() {
    return std::string(store_file::kOverlay) + "/" + store_file::kLinks;
  }

  void examine_committed(Examination& examination,
                         const FrameDir& own,
                         const std::optional<ChainId>& chain) const {
    const SmallFile file = read_small_file(own.fd, store_file::kCommitted, 0);
    if (file.text) return examine_file(examination, ground_, own, store_file::kCommitted, 0600);
    examination.found(
        {"committed-wrong", own.object(store_file::kCommitted),
         file.is_absent() ? "it is missing" : file.problem, Severity::Damage, Mend::Repair, chain},
        [&] { ground_.put_file(own.fd, store_file::kCommitted, "", 0600); });
  }

  void examine_mount_directories(Examination& examination, const FrameDir& own) const {
    examine_directory(examination, ground_, own, store_file::kWork, 0700, IfAbsent::MakeEmpty);
    // Where the container is mounted the mode is that of its root.
    if (is_mount_point_at(own.fd, store_file::kMerged)) return;
    examine_directory(examination, ground_, own, store_file::kMerged, 0700, IfAbsent::MakeEmpty);
  }

  StoreGround ground_;
  Fd layers_;
  std::optional<Fd> links_;
};

}  // namespace

std::unique_ptr<const DriverCheck> examine_overlay(Examination& examination,
                                                   const StoreGround& ground) {
  // An empty directory in the place of a symlink would hide the layers that it leads to.
  const bool is_absent = !stat_at(ground.root, store_file::kOverlay);
  auto layers = examine_directory(examination, ground, {ground.root, ""}, store_file::kOverlay,
                                  0710, is_absent ? IfAbsent::MakeEmpty : IfAbsent::Report);
  if (!layers) return nullptr;
  auto links = examine_directory(examination, ground, {layers->get(), store_file::kOverlay},
                                 store_file::kLinks, 0700, IfAbsent::MakeEmpty);
  return std::make_unique<OverlayCheck>(ground, std::move(*layers), std::move(links));
}

}  // namespace layerkit
