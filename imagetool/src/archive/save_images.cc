#include <algorithm>

#include "archive/archive_output.h"
#include "archive/archive_writers.h"
#include "archive/blob_container.h"
#include "archive/oci_copy.h"
#include "archive/reference_names.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {
namespace {

void leave_out(SaveItem& item, const std::set<ChainId>& layers) {
  const std::vector<ChainId> chains = item.image.chain_ids();
  for (std::size_t i = 0; i < item.layers.size(); ++i)
    item.layers[i].is_left_out = layers.contains(chains[i]);
}

/// Each image once, with all names that were asked for.
std::vector<SaveItem> merged(const std::vector<SaveItem>& items,
                             const std::set<ChainId>& left_out) {
  std::vector<SaveItem> all;
  for (const SaveItem& item : items) {
    const auto same = std::ranges::find_if(
        all, [&](const SaveItem& other) { return other.image.id() == item.image.id(); });
    if (same == all.end()) {
      all.push_back(item);
      leave_out(all.back(), left_out);
    } else {
      add_names(same->names, item.names);
    }
  }
  return all;
}

std::unique_ptr<ArchiveOutput> open_output(ArchiveFormat format,
                                           const std::string& output,
                                           const Context& context) {
  if (format != ArchiveFormat::OciDirectory) return make_tar_output(output, context);
  if (output == "-") {
    fail(Errc::Invalid, "an image layout directory cannot be written to standard output");
  }
  return make_directory_output(output, context);
}

}  // namespace

void save_images(const std::vector<SaveItem>& items,
                 const SaveOptions& options,
                 const std::string& output,
                 const MakeTemporaryFile& make_temporary_file,
                 const Context& context) {
  const bool is_docker = options.format == ArchiveFormat::DockerArchive;
  const LayerPacking layers{options.layer_compression, options.compression_level};
  with_context([&] { return "saving to " + quoted(output); },
               [&] {
                 const auto file = open_output(options.format, output, context);
                 (is_docker ? write_docker_archive : write_oci_layout)(
                     merged(items, options.left_out), layers, make_temporary_file, *file, context);
                 file->finish();
               });
}

std::vector<BlobId> copy_whole_images(const std::string& input,
                                      const std::string& wanted,
                                      const std::optional<ImageName>& name,
                                      ArchiveFormat format,
                                      const std::string& output,
                                      const MakeTemporaryFile& make_temporary_file,
                                      const Context& context) {
  if (format == ArchiveFormat::DockerArchive)
    fail(Errc::Unsupported, "a docker-archive does not hold indexes, only oci-archive and oci do");
  const LoadLimits limits;
  const auto container = open_container(input, make_temporary_file, context, limits);
  return with_context(
      [&] { return fmt::format("copying {} to {}", quoted(input), quoted(output)); },
      [&] {
        const auto file = open_output(format, output, context);
        auto copied = copy_oci_images(*container, wanted, name, *file, context, limits);
        file->finish();
        return copied;
      });
}

void save_images(ImageStore& store,
                 const std::vector<SaveItem>& items,
                 const SaveOptions& options,
                 const std::string& output,
                 const Context& context) {
  // Nobody may remove the layers meanwhile.
  const FileLock lock = store.layers().lock(LockKind::Shared);
  std::vector<SaveItem> complete = items;
  with_context([&] { return "saving to " + quoted(output); },
               [&] {
                 for (SaveItem& item : complete) {
                   if (item.layers.empty()) item.layers = stored_layers(store.layers(), item.image);
                 }
               });
  save_images(
      complete, options, output, [&store] { return store.layers().temporary_file(); }, context);
}

}  // namespace layerkit
