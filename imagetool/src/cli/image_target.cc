#include "cli/image_target.h"

#include <fcntl.h>

#include <map>

#include "cli/output.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_source.h"
#include "temporary_directory.h"

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

void write_archive(const SaveItem& item,
                   const ImageReference& reference,
                   const std::string& compress,
                   const Context& context) {
  SaveOptions options;
  options.format = kFormats.at(reference.transport);
  if (!compress.empty()) options.layer_compression = kCompressions.at(compress);
  save_images(
      {item}, options, reference.text,
      [] { return open_at(open_temporary_directory().get(), ".", O_TMPFILE | O_RDWR, 0600); },
      context);
}

}  // namespace

const char* const kImageTargetHelp =
    "The new image goes into the store under a name (-t app:2), or into an archive: "
    "-t docker-archive:FILE[:NAME], -t oci-archive:FILE[:NAME], -t oci:DIR[:NAME].";

void add_image_target(CLI::App& command, ImageTarget& target) {
  command.add_option("-t,--tag", target.destination, "Name of the new image, or archive for it")
      ->type_name("NAME|ARCHIVE")
      ->required();
  command
      .add_option("--compress", target.compress,
                  "Compress layers of an archive (default: gzip in the OCI formats, else none)")
      ->type_name("gzip|zstd|none")
      ->check(CLI::IsMember(kCompressions));
}

void put_image(Session& session, SaveItem item, const ImageTarget& target, const Context& context) {
  const ImageReference reference = ImageReference::parse(target.destination);
  const std::string& name = reference.transport.empty() ? reference.text : reference.name;
  if (!name.empty()) item.names = {ImageName::parse(name)};
  if (!reference.transport.empty()) {
    write_archive(item, reference, target.compress, context);
  } else if (!target.compress.empty()) {
    fail(Errc::Invalid, "--compress: only layers of an archive are compressed, not {}",
         quoted(target.destination));
  } else {
    store_images(session.store(), {item}, context);
  }
  print_line(item.image.id().str());
}

}  // namespace layerkit::cli
