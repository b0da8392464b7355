#include "cli/image_target.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "cli/image_argument.h"
#include "cli/output.h"
#include "cli/repeated_option.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_commit.h"
#include "layerkit/imagetool/image_source.h"
#include "temporary_directory.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

const std::map<std::string, ArchiveFormat> kFormats = {
    {"docker-archive", ArchiveFormat::DockerArchive},
    {"oci-archive", ArchiveFormat::OciArchive},
    {"oci", ArchiveFormat::OciDirectory},
};

const std::map<std::string, Compression> kCompressions = {
    {"none", Compression::None},
    {"gzip", Compression::Gzip},
    {"zstd", Compression::Zstd},
};

}  // namespace

const char* const kImageTargetHelp =
    "The new image goes into the store under a name (-t app:2), or into an archive: "
    "-t docker-archive:FILE[:NAME], -t oci-archive:FILE[:NAME], -t oci:DIR[:NAME].";

void add_compress_option(CLI::App& command, std::string& compress) {
  command
      .add_option("--compress", compress,
                  "Compress layers of an archive (default: gzip in the OCI formats, else none)")
      ->type_name("gzip|zstd|none")
      ->check(CLI::IsMember(kCompressions));
}

std::optional<Compression> parse_compress(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return kCompressions.at(text);
}

void add_level_option(CLI::App& command, int& level) {
  command
      .add_option("--level", level,
                  "Compress that hard: 1 to 9 for gzip (default: 6), 1 to 22 for zstd (default: 3)")
      ->type_name("N")
      ->check(CLI::Range(1, 22).description(""));
}

void check_level(int level, std::optional<Compression> compression) {
  if (level == 0) return;
  if (!compression || *compression == Compression::None)
    fail(Errc::Invalid, "--level: say with --compress what is compressed");
  if (*compression == Compression::Gzip && level > 9)
    fail(Errc::Invalid, "--level {}: gzip has the levels 1 to 9", level);
}

void add_have_option(CLI::App& command, std::vector<std::string>& have) {
  add_repeated_option(command, "--have", have,
                      "Leave out the layers of this image: whoever gets the archive has them")
      ->type_name("IMAGE");
}

std::set<ChainId> layers_of(Session& session,
                            const std::vector<std::string>& have,
                            const Context& context) {
  std::set<ChainId> layers;
  for (const std::string& image : have) {
    for (const auto& source : open_images(session, {image, {}}, context)) {
      const auto chains = source->image().chain_ids();
      layers.insert(chains.begin(), chains.end());
    }
  }
  return layers;
}

void add_image_target(CLI::App& command, ImageTarget& target) {
  command.add_option("-t,--tag", target.destination, "Name of the new image, or archive for it")
      ->type_name("NAME|ARCHIVE")
      ->required();
  add_compress_option(command, target.compress);
}

void add_change_option(CLI::App& command, std::vector<std::string>& changes) {
  add_repeated_option(command, "-c,--change", changes,
                      "Apply a Dockerfile instruction to the created image")
      ->type_name("INSTRUCTION");
}

std::string creation_time() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here
  const auto epoch = parse_source_date_epoch(std::getenv("SOURCE_DATE_EPOCH"));
  return format_rfc3339(epoch ? Timestamp{*epoch, 0} : current_time());
}

ImageDestination::ImageDestination(const ImageTarget& target) {
  if (target.destination.empty()) return;
  const ImageReference reference = ImageReference::parse(target.destination);
  const bool is_archive = !reference.transport.empty();
  const std::string& name = is_archive ? reference.name : reference.text;
  if (!name.empty()) names_ = {ImageName::parse(name)};
  if (!is_archive && !target.compress.empty()) {
    fail(Errc::Invalid, "--compress: only layers of an archive are compressed, not {}",
         quoted(target.destination));
  }
  if (!is_archive) return;
  archive_ = reference.text;
  if (archive_ == "-" && ::isatty(STDOUT_FILENO) == 1) {
    fail(Errc::Invalid, "cowardly refusing to write to a terminal: name a file or redirect");
  }
  options_.format = kFormats.at(reference.transport);
  options_.layer_compression = parse_compress(target.compress);
  options_.compression_level = target.level;
}

void ImageDestination::put_all(Session& session,
                               const std::vector<SaveItem>& items,
                               const Context& context) const {
  if (archive_.empty()) {
    store_images(session.store(), items, context);
  } else {
    save_images(items, options_, archive_, open_temporary_file, context);
  }
  if (is_standard_output()) return;
  for (const SaveItem& item : items)
    print_line(item.image.id().str());
}

void ImageDestination::put(Session& session, SaveItem item, const Context& context) const {
  item.names = names_;
  put_all(session, {std::move(item)}, context);
}

}  // namespace layerkit::cli
