#include "archive/archive_documents.h"
#include "archive/archive_readers.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

bool has_file(const BlobContainer& container, const char* name) {
  return container.open(RelPath::parse(name)).has_value();
}

/// Docker's manifest.json is an array. Other tools give that name to a single manifest.
bool is_docker_manifest(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '[';
}

/// BuildKit and docker ≥ 25 write both kinds into one archive. manifest.json then decides: it lists
/// every image, index.json only the tagged ones (moby#51389). Names are taken from both.
bool is_docker_archive(const BlobContainer& container, const LoadLimits& limits) {
  const auto manifest = read_document(container, RelPath::parse("manifest.json"), limits);
  return manifest && (is_docker_manifest(*manifest) || !has_file(container, "index.json"));
}

[[noreturn]] void fail_not_an_archive(const BlobContainer& container) {
  if (has_file(container, "repositories")) {
    fail(Errc::Unsupported,
         "{} was written by docker before 1.10, which is not supported: it has 'repositories' but "
         "no 'manifest.json'",
         quoted(container.name()));
  }
  fail(Errc::Invalid, "{} is not an image archive: it has neither 'manifest.json' nor 'index.json'",
       quoted(container.name()));
}

}  // namespace

std::unique_ptr<ArchiveReader> open_archive(const std::string& input,
                                            const MakeTemporaryFile& make_temporary_file,
                                            const Context& context,
                                            const LoadLimits& limits) {
  auto container = open_container(input, make_temporary_file, context, limits);
  const auto reading = [name = container->name()] { return "reading archive " + quoted(name); };
  const bool is_docker =
      with_context(reading, [&] { return is_docker_archive(*container, limits); });
  if (!is_docker && !has_file(*container, "index.json")) fail_not_an_archive(*container);
  return with_context(reading, [&] {
    return is_docker ? make_docker_archive_reader(std::move(container), context, limits)
                     : make_oci_layout_reader(std::move(container), context, limits);
  });
}

}  // namespace layerkit
