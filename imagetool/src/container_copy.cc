#include "layerkit/imagetool/container_copy.h"

#include <fcntl.h>

#include "container_view.h"
#include "copy_place.h"
#include "copy_reader.h"
#include "copy_stream.h"
#include "copy_writer.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/compression.h"
#include "layerkit/layerstore/file_tar.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {
namespace {

RootDir root_of(const ContainerView& view) {
  return RootDir(open_at(view.fd(), ".", O_PATH | O_DIRECTORY));
}

std::string of_container(const ContainerInfo& container) {
  return " in container " + container.name;
}

std::uint64_t copy(CopySource source,
                   const RootDir& target_root,
                   const std::string& target,
                   bool takes_devices,
                   const CopyOptions& options,
                   const Context& context) {
  const CopyTarget place = find_copy_target(target_root, target, source.is_directory);
  CopyReaderOptions reading;
  reading.takes_devices = takes_devices;
  reading.with_owners = options.keeps_owners;
  if (place.name) {
    reading.name = *place.name;
  } else if (source.means_content) {
    reading.with_object = false;
  } else {
    reading.name = source.name;
  }
  const auto reader = make_copy_reader(std::move(source.object), reading, context);
  CopyWriterOptions writing;
  writing.keeps_owners = options.keeps_owners;
  // The user's path may have symlinks; from here on there are none.
  const auto writer = make_copy_writer(
      RootDir(target_root.open(place.directory, O_PATH | O_DIRECTORY, Follow::InRoot)), writing,
      context);
  return move_entries(*reader, *writer, context);
}

}  // namespace

std::uint64_t copy_from_container(ContainerStore& store,
                                  const ContainerInfo& container,
                                  const std::string& source,
                                  const std::string& host_target,
                                  const CopyOptions& options,
                                  const Context& context) {
  const ContainerView view(store, container);
  return copy(
      find_copy_source(root_of(view), source, options.follows_link, of_container(container)),
      root_of_host(), absolute_host_path(host_target), false, options, context);
}

std::uint64_t copy_to_container(ContainerStore& store,
                                const ContainerInfo& container,
                                const std::string& host_source,
                                const std::string& target,
                                const CopyOptions& options,
                                const Context& context) {
  CopySource source =
      find_copy_source(root_of_host(), absolute_host_path(host_source), options.follows_link, "");
  const ContainerView view(store, container);
  return copy(std::move(source), root_of(view), target, true, options, context);
}

std::uint64_t export_from_container(ContainerStore& store,
                                    const ContainerInfo& container,
                                    const std::string& source,
                                    ByteSink& tar,
                                    const CopyOptions& options,
                                    const Context& context) {
  const ContainerView view(store, container);
  CopySource found =
      find_copy_source(root_of(view), source, options.follows_link, of_container(container));
  CopyReaderOptions reading;
  reading.name = found.means_content ? RelPath() : found.name;
  reading.with_object = !found.means_content;
  reading.with_owners = true;
  const auto reader = make_copy_reader(std::move(found.object), reading, context);
  const auto writer = make_file_tar_writer(tar);
  return move_entries(*reader, *writer, context);
}

std::uint64_t import_into_container(ContainerStore& store,
                                    const ContainerInfo& container,
                                    ByteSource& tar,
                                    const std::string& target,
                                    const Context& context) {
  const ContainerView view(store, container);
  const CopyTarget place = find_copy_target(root_of(view), target, true);
  if (place.name) fail(Errc::NotFound, "destination {} must be a directory", quoted(target));
  const auto plain = make_decompressing_source(tar, "standard input");
  const auto reader = make_tar_reader(*plain, TarDialect::Literal);
  CopyWriterOptions writing;
  writing.directory = place.directory;
  writing.parents = Follow::InRoot;
  writing.keeps_owners = true;
  const auto writer = make_copy_writer(root_of(view), writing, context);
  return move_entries(*reader, *writer, context);
}

}  // namespace layerkit
