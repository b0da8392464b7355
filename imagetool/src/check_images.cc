#include <fcntl.h>

#include "image_checks.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "names_file.h"

namespace layerkit {
namespace {

constexpr char kImagesDir[] = "images";
constexpr char kNamesFile[] = "names.json";
constexpr char kNamesLock[] = "names.lock";
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

class ImagesCheck {
 public:
  ImagesCheck(Examination& examination, const StoreGround& ground, ImageSurvey& survey)
      : examination_(examination), ground_(ground), survey_(survey), root_{ground.root, ""} {}

  void run() {
    const bool is_there = stat_at(root_.fd, kImagesDir).has_value();
    if (is_there) {
      const auto dir =
          examine_directory(examination_, ground_, root_, kImagesDir, 0700, IfAbsent::Report);
      survey_.is_whole = survey_.is_whole && dir;
      if (dir) examine_configs({dir->get(), kImagesDir});
    }
    examine_name_file();
    if (const auto lock = try_lock_file(root_.fd, kNamesLock))
      examine_temporaries(examination_, root_);
  }

 private:
  void examine_configs(const FrameDir& dir) {
    const auto lock = try_lock_file(root_.fd, kNamesLock);
    if (lock) examine_temporaries(examination_, dir);
    for (const DirEntry& entry : list_dir(dir.fd)) {
      if (is_object_id(entry.name)) {
        examine_config(dir, ImageId::from_hex(entry.name));
      } else if (!entry.name.starts_with('.')) {
        examination_.found({"unexpected-name", dir.object(entry.name),
                            "only configs of images belong here", Severity::Leftover, Mend::Repair},
                           [&] { ground_.set_aside(dir.fd, entry.name); });
      }
    }
  }

  void examine_config(const FrameDir& dir, const ImageId& id) {
    const SmallFile file = read_small_file(dir.fd, id.hex(), kMaxFileBytes);
    if (file.is_absent()) return;
    std::string problem = file.problem;
    try {
      if (file.text && ImageId(Sha256::of(*file.text)) == id) {
        survey_.images.emplace(id, Image::parse(*file.text));
        return examine_file(examination_, ground_, dir, id.hex(), 0600);
      }
      if (file.text) problem = "its digest is not its name";
    } catch (const Error& error) {
      problem = error.message();
    }
    survey_.is_whole = false;
    survey_.lost_images.insert(id);
    examination_.found(
        {"image-config-damaged", dir.object(id.hex()), problem, Severity::Damage, Mend::Archive});
  }

  void examine_name_file() {
    const SmallFile file = read_small_file(root_.fd, kNamesFile, kMaxFileBytes);
    if (file.is_absent()) return;
    std::string problem = file.problem;
    try {
      if (file.text) {
        examine_names_of(parse_names(*file.text));
        return examine_file(examination_, ground_, root_, kNamesFile, 0600);
      }
    } catch (const Error& error) {
      if (error.code() == Errc::Unsupported) throw;
      problem = error.message();
    }
    examination_.found({"names-damaged", kNamesFile, problem, Severity::Damage, Mend::Repair},
                       [&] { ground_.set_aside(root_.fd, kNamesFile); });
  }

  void examine_names_of(const Names& names) {
    for (const auto& [name, target] : names) {
      const bool is_known = survey_.images.contains(target.image) ||
                            stat_at(root_.fd, std::string(kImagesDir) + "/" + target.image.hex());
      if (is_known) continue;
      survey_.lost_images.insert(target.image);
      // A name may be set, and an image removed, between our looks at the two.
      examination_.found_passing({"name-dangling",
                                  root_.object(std::string(kNamesFile) + ": " + name.str()),
                                  fmt::format("there is no image {}", target.image.str()),
                                  Severity::Damage, Mend::Archive});
    }
  }

  Examination& examination_;
  const StoreGround& ground_;
  ImageSurvey& survey_;
  FrameDir root_;
};

}  // namespace

bool is_object_id(std::string_view name) {
  return name.size() == 2 * Sha256Digest::kBytes &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<FileLock> try_lock_file(int dir_fd, const std::string& name) {
  try {
    return FileLock::try_lock(open_at(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600),
                              LockKind::Exclusive);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void examine_temporaries(Examination& examination, const FrameDir& directory) {
  constexpr std::size_t kRandomDigits = 12;
  for (const DirEntry& entry : list_dir(directory.fd)) {
    const std::string_view name = entry.name;
    const std::size_t dot = name.rfind('.');
    const bool is_temporary =
        name.starts_with('.') && dot > 1 && name.size() - dot - 1 == kRandomDigits &&
        name.substr(dot + 1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!is_temporary) continue;
    examination.found_passing(
        {"temporary-file", directory.object(entry.name), "whoever wrote it died before it was done",
         Severity::Leftover, Mend::Repair},
        [&] { unlink_at(directory.fd, entry.name); });
  }
}

void examine_images(Examination& examination, const StoreGround& ground, ImageSurvey& survey) {
  ImagesCheck(examination, ground, survey).run();
}

}  // namespace layerkit
