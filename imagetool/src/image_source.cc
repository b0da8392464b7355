#include "layerkit/imagetool/image_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "archive/reference_names.h"
#include "archived_image_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

constexpr std::array kTransports = {"docker-archive", "oci-archive", "oci"};
/// Of containers-transports(5); they are known by name so that nobody takes them for image names.
constexpr std::array kForeignTransports = {
    "docker",  "docker-daemon", "containers-storage",    "dir", "ostree",
    "tarball", "sif",           "docker-daemon-archive",
};

bool is_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with("./") || text.starts_with("../") ||
         text == "." || text == "..";
}

/// "debian:12 (sha256:…), …" for errors; not more than a few.
std::string describe(const std::vector<ArchivedImage>& images) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < images.size() && i < kShown; ++i) {
    if (i > 0) text += ", ";
    const ArchivedImage& image = images[i];
    text += image.names.empty() ? "@" + std::to_string(i) : image.names.front().str();
  }
  if (images.size() > kShown) text += fmt::format(" and {} more", images.size() - kShown);
  return text;
}

/// Whether `name`, as the user wrote it, means the image that stands at `index`.
bool is_meant(const ArchivedImage& image, std::size_t index, const std::string& name) {
  if (name.starts_with('@')) return parse_decimal(name.substr(1)) == index;
  if (const auto parsed = parse_name_if_valid(name);
      parsed && std::ranges::find(image.names, *parsed) != image.names.end()) {
    return true;
  }
  constexpr std::size_t kShortestPrefix = 4;
  std::string_view hex = name;
  if (hex.starts_with("sha256:")) hex.remove_prefix(std::string_view("sha256:").size());
  return hex.size() >= kShortestPrefix && image.image.id().hex().starts_with(hex);
}

ArchivedImage choose_image(std::vector<ArchivedImage> images,
                           const std::string& name,
                           const std::string& archive) {
  if (name.empty()) {
    if (images.size() == 1) return std::move(images.front());
    fail(Errc::Invalid, "{} holds {} images, one has to be named: {}", quoted(archive),
         images.size(), describe(images));
  }
  std::vector<std::size_t> meant;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (is_meant(images[i], i, name)) meant.push_back(i);
  }
  if (meant.empty()) {
    fail(Errc::NotFound, "{} holds no image {}, but {}", quoted(archive), quoted(name),
         describe(images));
  }
  if (meant.size() > 1) {
    fail(Errc::Invalid, "{} holds {} images that {} could mean", quoted(archive), meant.size(),
         quoted(name));
  }
  return std::move(images[meant.front()]);
}

void check_format(const ArchiveReader& archive, const std::string& transport) {
  if (transport.empty() || archive.format() == transport) return;
  fail(Errc::Invalid, "{} is no {}, but: {}", quoted(archive.name()), transport, archive.format());
}

/// Those that the reference's name means; without one `several` says whether all are.
std::vector<std::unique_ptr<ImageSource>> open_archived(const ImageReference& reference,
                                                        bool several,
                                                        const Context& context,
                                                        const ImageSourceOptions& options) {
  const std::shared_ptr<ArchiveReader> archive =
      open_archive(reference.text, open_temporary_file, context, options.limits);
  check_format(*archive, reference.transport);
  std::vector<ArchivedImage> images =
      with_context([&] { return "reading archive " + quoted(archive->name()); },
                   [&] { return archive->images(options.platform); });
  if (!several || !reference.name.empty()) {
    ArchivedImage chosen = choose_image(std::move(images), reference.name, archive->name());
    images.clear();
    images.push_back(std::move(chosen));
  }
  std::vector<std::unique_ptr<ImageSource>> sources;
  for (ArchivedImage& image : images)
    sources.push_back(
        make_archived_image_source(archive, std::move(image), options.limits, context));
  return sources;
}

std::vector<std::unique_ptr<ImageSource>> open_sources(std::string_view text,
                                                       bool several,
                                                       const std::function<ImageStore&()>& store,
                                                       const Context& context,
                                                       const ImageSourceOptions& options) {
  const ImageReference reference = ImageReference::parse(text);
  if (!reference.transport.empty() || is_path(text)) {
    return open_archived(reference, several, context, options);
  }
  const bool is_file = ::access(reference.text.c_str(), F_OK) == 0;
  try {
    ImageStore& images = store();
    std::vector<std::unique_ptr<ImageSource>> sources;
    sources.push_back(make_stored_image_source(images, images.find(text)));
    return sources;
  } catch (const Error& error) {
    // What the store does not have, or cannot be asked for, may be a file.
    const bool may_be_file = error.code() == Errc::NotFound || error.code() == Errc::Invalid ||
                             error.sys_errno() == EACCES;
    if (!is_file || !may_be_file) throw;
  }
  return open_archived(reference, several, context, options);
}

}  // namespace

std::shared_ptr<const LayerTree> ImageSource::tree() {
  auto all = view(layers());
  return all ? all : make_union_view({});
}

ImageReference ImageReference::parse(std::string_view text) {
  if (text.empty()) fail(Errc::Invalid, "the name of an image is empty");
  const std::size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  if (colon != std::string_view::npos &&
      std::ranges::find(kTransports, word) != kTransports.end()) {
    const std::string_view rest = text.substr(colon + 1);
    const std::size_t end = rest.find(':');
    ImageReference reference{std::string(word), std::string(rest.substr(0, end)), {}};
    if (end != std::string_view::npos) reference.name = rest.substr(end + 1);
    if (reference.text.empty()) fail(Errc::Invalid, "{} names no file", quoted(text));
    return reference;
  }
  if (colon != std::string_view::npos &&
      std::ranges::find(kForeignTransports, word) != kForeignTransports.end() &&
      (word != "docker" || text.substr(colon).starts_with("://"))) {
    fail(Errc::Unsupported,
         "{}: the transport {} is not supported, only docker-archive, oci-archive and oci",
         quoted(text), quoted(word));
  }
  return {{}, std::string(text), {}};
}

std::unique_ptr<ImageSource> open_image_source(std::string_view text,
                                               const std::function<ImageStore&()>& store,
                                               const Context& context,
                                               const ImageSourceOptions& options) {
  return std::move(open_sources(text, false, store, context, options).front());
}

std::vector<std::unique_ptr<ImageSource>> open_image_sources(
    std::string_view text,
    const std::function<ImageStore&()>& store,
    const Context& context,
    const ImageSourceOptions& options) {
  return open_sources(text, true, store, context, options);
}

}  // namespace layerkit
