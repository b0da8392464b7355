#include "layerkit/imagetool/image_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/storage_driver.h"
#include "names_file.h"
#include "time_format.h"

namespace layerkit {
namespace {

constexpr char kImagesDir[] = "images";
constexpr char kNamesFile[] = "names.json";
constexpr char kNamesLock[] = "names.lock";
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;
constexpr std::size_t kHexDigits = 64;

bool is_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view without_algorithm(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (text.starts_with(kAlgorithm)) text.remove_prefix(kAlgorithm.size());
  return text;
}

/// A text as a name, or nullopt when it cannot be one.
std::optional<ImageName> as_name(std::string_view text) {
  try {
    return ImageName::parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// `created` of the config for sorting; images that do not say come last.
Timestamp created(const Image& image) {
  const JsonView config(image.config(), "config");
  return parse_rfc3339(config.string_or("created", "")).value_or(Timestamp{});
}

std::vector<ImageName> names_of(const Names& names, const ImageId& image) {
  std::vector<ImageName> own;
  for (const auto& [name, target] : names) {
    if (target.image == image) own.push_back(name);
  }
  return own;
}

std::string list_of(const std::vector<ImageName>& names) {
  std::vector<std::string> texts;
  std::ranges::transform(names, std::back_inserter(texts), &ImageName::str);
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// What a user's text means: an image and, when it was a name, which.
struct Target {
  explicit Target(ImageId id, std::optional<ImageName> its_name = std::nullopt)
      : image(id), name(std::move(its_name)) {}

  ImageId image;
  std::optional<ImageName> name;
};

class FileImageStore final : public ImageStore {
 public:
  FileImageStore(std::string root, std::unique_ptr<Store> layers)
      : root_(std::move(root)), layers_(std::move(layers)), dir_(open_dir_at(AT_FDCWD, root_)) {
    make_dirs(root_ + "/" + kImagesDir, 0700);
    images_ = open_dir_at(dir_.get(), kImagesDir);
  }

  Store& layers() noexcept override { return *layers_; }
  const std::string& root() const noexcept override { return root_; }
  void set_users(Users users) override { users_ = std::move(users); }

  std::vector<Record> list() const override;
  Record find(std::string_view name_or_id) const override;
  void put(const Image& image) override;
  std::map<ImageName, ImageId> set_names(const std::map<ImageName, ImageId>& names) override;
  Removed remove(std::string_view name_or_id, bool force) override;
  Pruned prune(const std::function<bool(const Record&)>& unwanted) override;
  std::uint64_t size(const Image& image) const override;

 private:
  FileLock lock_names() const { return {dir_.get(), kNamesLock, LockKind::Exclusive}; }
  Names read_names() const;
  void write_names(const Names& names) const;
  void remove_leftovers() const;

  std::vector<ImageId> ids() const;
  bool has(const ImageId& id) const { return stat_at(images_.get(), id.hex()).has_value(); }
  Image read_image(const ImageId& id) const;
  std::optional<Image> read_image_if_exists(const ImageId& id) const;
  Record record(Image image, const Names& names) const;

  Target resolve(std::string_view text, const Names& names) const;
  std::optional<Removed> untag_one_of_several(std::string_view name_or_id) const;
  void refuse_removal(std::string_view text,
                      const Target& target,
                      const std::vector<ImageName>& own_names,
                      const std::vector<std::string>& users) const;
  std::vector<LayerInfo> delete_image(const ImageId& image);

  std::string root_;
  std::unique_ptr<Store> layers_;
  Fd dir_;
  Fd images_;
  Users users_;
};

Names FileImageStore::read_names() const {
  const std::optional<Fd> file = open_at_if_exists(dir_.get(), kNamesFile, O_RDONLY | O_NOFOLLOW);
  if (!file) return {};
  FdSource source(file->get(), kNamesFile);
  return parse_names(read_all(source, kMaxFileBytes, kNamesFile));
}

void FileImageStore::write_names(const Names& names) const {
  replace_file_at(dir_.get(), kNamesFile, format_names(names), 0600);
}

/// Temporary files of writers that died. REQUIRES: the names lock, which all writers hold.
void FileImageStore::remove_leftovers() const {
  for (const DirEntry& entry : list_dir(images_.get())) {
    if (entry.name.starts_with('.')) unlink_at(images_.get(), entry.name);
  }
  for (const DirEntry& entry : list_dir(dir_.get())) {
    if (entry.name.starts_with(fmt::format(".{}.", kNamesFile))) unlink_at(dir_.get(), entry.name);
  }
}

std::vector<ImageId> FileImageStore::ids() const {
  std::vector<ImageId> found;
  for (const DirEntry& entry : list_dir(images_.get())) {
    if (entry.name.size() == kHexDigits && is_hex(entry.name)) {
      found.push_back(ImageId::from_hex(entry.name));
    }
  }
  return found;
}

Image FileImageStore::read_image(const ImageId& id) const {
  return with_context([&] { return fmt::format("reading image '{}'", id.str()); },
                      [&] {
                        std::string bytes = read_file_at(images_.get(), id.hex(), kMaxFileBytes);
                        if (ImageId(Sha256::of(bytes)) != id) {
                          fail(Errc::Integrity, "'{}/{}/{}' was changed: its digest differs", root_,
                               kImagesDir, id.hex());
                        }
                        return Image::parse(std::move(bytes));
                      });
}

std::optional<Image> FileImageStore::read_image_if_exists(const ImageId& id) const {
  try {
    return read_image(id);
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

ImageStore::Record FileImageStore::record(Image image, const Names& names) const {
  Record result{std::move(image), {}, {}};
  Timestamp last;
  for (const auto& [name, target] : names) {
    if (target.image != result.image.id()) continue;
    result.names.push_back(name);
    const Timestamp tagged = parse_rfc3339(target.tagged).value_or(Timestamp{});
    if (result.last_tagged.empty() || tagged > last) {
      result.last_tagged = target.tagged;
      last = tagged;
    }
  }
  return result;
}

std::vector<ImageStore::Record> FileImageStore::list() const {
  std::vector<Image> images;
  for (const ImageId& id : ids()) {
    if (std::optional<Image> image = read_image_if_exists(id)) images.push_back(*std::move(image));
  }
  // Read last: an image that was stored meanwhile has its names by now, or has none yet.
  const Names names = read_names();
  std::vector<Record> records;
  records.reserve(images.size());
  for (Image& image : images) {
    records.push_back(record(std::move(image), names));
  }
  std::ranges::sort(records, [](const Record& a, const Record& b) {
    return std::tuple(created(b.image), a.image.id()) < std::tuple(created(a.image), b.image.id());
  });
  return records;
}

Target FileImageStore::resolve(std::string_view text, const Names& names) const {
  const std::string_view hex = without_algorithm(text);
  const bool may_be_id = is_hex(hex) && hex.size() <= kHexDigits;
  if (may_be_id && hex.size() == kHexDigits) {
    const ImageId id = ImageId::from_hex(hex);
    if (has(id)) return Target(id);
  }
  if (const std::optional<ImageName> name = as_name(text)) {
    if (const auto found = names.find(*name); found != names.end()) {
      return Target(found->second.image, name);
    }
  }
  std::optional<ImageId> match;
  for (const ImageId& id : may_be_id ? ids() : std::vector<ImageId>{}) {
    if (!id.hex().starts_with(hex)) continue;
    if (match) {
      fail(Errc::Invalid, "finding image {}: several image IDs begin so", layerkit::quoted(text));
    }
    match = id;
  }
  if (!match) fail(Errc::NotFound, "No such image: {}", escaped(text));
  return Target(*match);
}

ImageStore::Record FileImageStore::find(std::string_view name_or_id) const {
  const Names names = read_names();
  const Target target = resolve(name_or_id, names);
  return record(read_image(target.image), names);
}

void FileImageStore::put(const Image& image) {
  if (const auto top = image.top(); top && !layers_->find(*top)) {
    fail(Errc::NotFound, "storing image '{}': its layer '{}' is not in the store", image.id().str(),
         top->str());
  }
  const FileLock lock = lock_names();
  remove_leftovers();
  replace_file_at(images_.get(), image.id().hex(), image.config_bytes(), 0600);
}

std::map<ImageName, ImageId> FileImageStore::set_names(
    const std::map<ImageName, ImageId>& new_names) {
  const FileLock lock = lock_names();
  Names names = read_names();
  std::map<ImageName, ImageId> moved;
  const std::string now = format_rfc3339(current_time());
  for (const auto& [name, image] : new_names) {
    if (!has(image)) {
      fail(Errc::NotFound, "naming {}: No such image: {}", layerkit::quoted(name.str()),
           image.str());
    }
    const auto [place, is_new] = names.try_emplace(name, NameTarget{image, now});
    if (is_new) continue;
    if (place->second.image != image) moved.emplace(name, place->second.image);
    place->second = {image, now};
  }
  write_names(names);
  return moved;
}

/// The common and cheap case of remove(): it needs no layer lock, so it does not wait for imports.
std::optional<ImageStore::Removed> FileImageStore::untag_one_of_several(
    std::string_view name_or_id) const {
  const FileLock lock = lock_names();
  Names names = read_names();
  const Target target = resolve(name_or_id, names);
  if (!target.name || names_of(names, target.image).size() < 2) return std::nullopt;
  names.erase(*target.name);
  write_names(names);
  return Removed{{*target.name}, std::nullopt, {}};
}

void FileImageStore::refuse_removal(std::string_view text,
                                    const Target& target,
                                    const std::vector<ImageName>& own_names,
                                    const std::vector<std::string>& users) const {
  if (!target.name && own_names.size() > 1) {
    fail(Errc::Busy, "removing image {}: it has several names ({}); use -f to remove them all",
         layerkit::quoted(text), list_of(own_names));
  }
  if (!users.empty()) {
    fail(Errc::Busy, "removing image {}: container {} uses it; remove the container first{}",
         layerkit::quoted(text), layerkit::quoted(users.front()),
         own_names.empty() ? "" : ", or use -f to remove only the name");
  }
}

/// REQUIRES: both locks; no name points at the image any more.
std::vector<LayerInfo> FileImageStore::delete_image(const ImageId& image) {
  // Everything that can fail comes before the deletion: an unreadable image among the others means
  // that nobody knows which layers it needs.
  std::vector<ChainId> keep;
  for (const ImageId& other : ids()) {
    if (other == image) continue;
    if (const auto top = read_image(other).top()) keep.push_back(*top);
  }
  unlink_at(images_.get(), image.hex());
  sync_fd(images_.get(), kImagesDir);
  return layers_->remove_unreferenced(keep);
}

ImageStore::Removed FileImageStore::remove(std::string_view name_or_id, bool force) {
  if (auto removed = untag_one_of_several(name_or_id)) return *std::move(removed);

  const FileLock layer_lock = layers_->lock(LockKind::Exclusive);
  const FileLock names_lock = lock_names();
  remove_leftovers();
  Names names = read_names();
  const Target target = resolve(name_or_id, names);
  const std::vector<ImageName> own_names = names_of(names, target.image);
  Removed removed{target.name ? std::vector{*target.name} : own_names, std::nullopt, {}};
  const bool last = removed.untagged.size() == own_names.size();
  std::vector<std::string> users;
  if (last && users_) users = users_(target.image);
  // Without a name to take away, force has nothing to do for an image in use.
  if (!force || own_names.empty()) refuse_removal(name_or_id, target, own_names, users);

  for (const ImageName& name : removed.untagged) {
    names.erase(name);
  }
  if (!removed.untagged.empty()) write_names(names);
  if (!last || !users.empty()) return removed;
  removed.layers = delete_image(target.image);
  removed.image = target.image;
  return removed;
}

ImageStore::Pruned FileImageStore::prune(const std::function<bool(const Record&)>& unwanted) {
  const FileLock layer_lock = layers_->lock(LockKind::Exclusive);
  const FileLock names_lock = lock_names();
  remove_leftovers();
  Names names = read_names();
  Pruned pruned;
  std::vector<ChainId> keep;
  // All are read before the first is deleted: an unreadable one may need any layer.
  for (const ImageId& id : ids()) {
    const Record candidate = record(read_image(id), names);
    if (unwanted(candidate) && (!users_ || users_(id).empty())) {
      pruned.images.push_back(id);
      pruned.untagged.insert(pruned.untagged.end(), candidate.names.begin(), candidate.names.end());
    } else if (const auto top = candidate.image.top()) {
      keep.push_back(*top);
    }
  }
  for (const ImageName& name : pruned.untagged)
    names.erase(name);
  if (!pruned.untagged.empty()) write_names(names);
  for (const ImageId& id : pruned.images)
    unlink_at(images_.get(), id.hex());
  if (!pruned.images.empty()) sync_fd(images_.get(), kImagesDir);
  pruned.layers = layers_->remove_unreferenced(keep);
  return pruned;
}

std::uint64_t FileImageStore::size(const Image& image) const {
  std::uint64_t total = 0;
  for (const ChainId& chain : image.chain_ids()) {
    const std::optional<LayerInfo> layer = layers_->find(chain);
    if (!layer) {
      if (!has(image.id())) fail(Errc::NotFound, "image '{}' is removed", image.id().str());
      fail(Errc::Integrity, "measuring image '{}': layer '{}' is not in the store",
           image.id().str(), chain.str());
    }
    total += layer->size;
  }
  return total;
}

}  // namespace

std::unique_ptr<ImageStore> ImageStore::open(const std::string& root, StoreOptions options) {
  if (!options.overlay_probe) options.overlay_probe = find_overlay_problem;
  const std::string absolute = std::filesystem::absolute(root).lexically_normal().string();
  return open(absolute, open_store(absolute, options));
}

std::unique_ptr<ImageStore> ImageStore::open(const std::string& root,
                                             std::unique_ptr<Store> layers) {
  return std::make_unique<FileImageStore>(root, std::move(layers));
}

}  // namespace layerkit
