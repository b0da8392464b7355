#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "container_start.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_run.h"
#include "layerkit/imagetool/init_layer.h"
#include "layerkit/runner/init_program.h"
#include "network_files.h"
#include "time_format.h"

namespace layerkit {
namespace {

constexpr std::size_t kIdDigits = 64;
constexpr std::size_t kShortIdDigits = 12;

std::string default_hostname(const HostOptions& options, const std::string& id) {
  if (options.network != NetworkMode::Host && options.uts != NamespaceMode::Host)
    return id.substr(0, kShortIdDigits);
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) fail_errno(errno, "reading the host's name");
  return name;
}

bool is_covered(const HostOptions& options, const std::string& destination) {
  const auto is_destination = [&](const auto& mount) { return mount.destination == destination; };
  return std::any_of(options.binds.begin(), options.binds.end(), is_destination) ||
         std::any_of(options.tmpfs.begin(), options.tmpfs.end(), is_destination);
}

/// The image's and the command line's anonymous volumes, without those that something else of the
/// command line is mounted on.
std::vector<AnonymousVolume> plan_volumes(const ContainerConfig& config,
                                          const HostOptions& options) {
  std::vector<AnonymousVolume> volumes;
  for (const auto& destination : config.volumes) {
    if (is_covered(options, destination)) continue;
    volumes.push_back({std::to_string(volumes.size()), destination});
  }
  return volumes;
}

/// What is to be bound; a missing one becomes a directory, as docker does.
FileType prepare_bind_source(const BindVolume& bind) {
  struct stat status {};
  if (::stat(bind.source.c_str(), &status) == 0) {
    return S_ISDIR(status.st_mode) ? FileType::Directory : FileType::Regular;
  }
  const int err = errno;
  if (err != ENOENT) fail_errno(err, "looking at volume {}", layerkit::quoted(bind.source));
  make_dirs(bind.source, 0755);
  return FileType::Directory;
}

/// The init layer's objects with all mount points: made there, they are no change of the container.
std::vector<InitObject> init_objects(const ContainerInfo& info) {
  std::vector<InitObject> objects = default_init_objects();
  if (info.options.init) objects.push_back({kInitPath, FileType::Regular, {}});
  for (const auto& volume : info.volumes) {
    objects.push_back({volume.destination, FileType::Directory, {}});
  }
  for (const auto& tmpfs : info.options.tmpfs) {
    objects.push_back({tmpfs.destination, FileType::Directory, {}});
  }
  for (const auto& bind : info.options.binds) {
    objects.push_back({bind.destination, prepare_bind_source(bind), {}});
  }
  return objects;
}

void fill_volumes(ContainerStore& store,
                  const ContainerInfo& info,
                  const Image& image,
                  const Context& context) {
  if (info.volumes.empty()) return;
  const Fd record = store.directory(info.id);
  make_dir_at(record.get(), "volumes", 0711);
  const Fd volumes = open_dir_at(record.get(), "volumes");
  const auto tree = store.images().layers().view(image.top());
  for (const auto& volume : info.volumes) {
    with_context([&] { return "filling volume " + layerkit::quoted(volume.destination); },
                 [&] {
                   make_dir_at(volumes.get(), volume.name, 0755);
                   const Fd directory = open_dir_at(volumes.get(), volume.name);
                   copy_out_directory(tree, RelPath::parse(volume.destination), directory.get(),
                                      context);
                 });
  }
}

ContainerInfo draft_container(const RunRequest& request, const Image& image) {
  ContainerInfo draft{.id = random_hex(kIdDigits),
                      .name = request.name,
                      .image = image.id(),
                      .image_name = request.image,
                      .created = format_rfc3339(current_time()),
                      .config = merge_config(image, request.config),
                      .options = request.options,
                      .volumes = {},
                      .backend = request.backend};
  if (draft.config.hostname.empty()) {
    draft.config.hostname = default_hostname(draft.options, draft.id);
  }
  draft.volumes = plan_volumes(draft.config, draft.options);
  return draft;
}

std::vector<RecordFile> record_files(const ContainerInfo& draft) {
  std::vector<RecordFile> files = {{"hostname", draft.config.hostname + "\n"},
                                   {"hosts", hosts_file(draft.options)},
                                   {"resolv.conf", resolver_file(draft.options)}};
  if (draft.options.init) files.push_back({kInitFile, std::string(init_program()), 0755});
  return files;
}

}  // namespace

ContainerInfo create_container(ContainerStore& store,
                               const RunRequest& request,
                               const Context& context) {
  check_options(request.options);
  Store& layers = store.images().layers();
  // From before the image is looked up until the container holds its layers: no rmi in between.
  const FileLock lock = layers.lock(LockKind::Shared);
  const Image image = store.images().find(request.image).image;
  const ContainerInfo draft = draft_container(request, image);
  const auto objects = init_objects(draft);
  ContainerInfo info = store.create(draft, record_files(draft));
  try {
    const auto created = parse_rfc3339(info.created).value_or(Timestamp{});
    layers.create_container(info.id, image.top(), [&](int diff_fd) {
      write_init_layer(diff_fd, layers.view(image.top()), objects, created, context,
                       diff_format(layers.driver()));
    });
    fill_volumes(store, info, image, context);
  } catch (const Error&) {
    store.remove(info.id);
    throw;
  }
  return info;
}

}  // namespace layerkit
