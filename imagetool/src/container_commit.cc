#include "layerkit/imagetool/container_commit.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/imagetool/container_pause.h"
#include "layerkit/imagetool/image_changes.h"
#include "layerkit/layerstore/tar.h"
#include "time_format.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// Sets a list of the config; an empty one only when the config has that member.
void set_list(json& config, const char* key, const json& value) {
  if (!value.empty()) {
    config[key] = value;
  } else if (config.contains(key)) {
    config[key] = nullptr;
  }
}

void set_text(json& config, const char* key, const std::string& value) {
  if (!value.empty() || config.contains(key)) config[key] = value;
}

/// The image's own config with what the container was started with, as docker commits it.
json committed_config(const Image& image, const ContainerConfig& container) {
  json config = json::object();
  if (const auto found = image.config().find("config");
      found != image.config().end() && found->is_object()) {
    config = *found;
  }
  set_list(config, "Entrypoint", container.entrypoint);
  set_list(config, "Cmd", container.cmd);
  set_list(config, "Env", container.env);
  set_list(config, "Labels", container.labels);
  set_text(config, "User", container.user);
  set_text(config, "WorkingDir", container.working_dir);
  set_text(config, "StopSignal", container.stop_signal);
  json volumes = json::object();
  for (const auto& volume : container.volumes)
    volumes[volume] = json::object();
  set_list(config, "Volumes", volumes);
  return config;
}

/// The changes as a tar in a temporary file.
Fd spool_changes(ContainerStore& store,
                 const ContainerInfo& container,
                 const CommitRequest& request,
                 const Context& context) {
  const Store& layers = store.images().layers();
  Fd spool = layers.temporary_file();
  FdSink sink(spool.get(), "the new layer");
  std::optional<PausedWhile> paused;
  if (request.pause == PauseWhileRead::Yes) paused.emplace(store, container);
  const auto changes = committable_changes(layers, container.id, context, request.layer);
  const auto tar = make_tar_writer(sink, {.clamp_mtime = request.source_date_epoch});
  copy_layer(*changes, *tar, context);
  return spool;
}

/// Adds them on top of the container's image.
LayerInfo add_layer(ContainerStore& store,
                    const ContainerInfo& container,
                    const CommitRequest& request,
                    const Context& context) {
  Store& layers = store.images().layers();
  const Fd spool = spool_changes(store, container, request, context);
  if (::lseek(spool.get(), 0, SEEK_SET) != 0) fail_errno(errno, "rewinding the new layer");
  FdSource source(spool.get(), "the new layer");
  const auto transaction = layers.begin();
  const LayerInfo info =
      transaction->add(layers.container_parent(container.id), source, std::nullopt, context);
  transaction->commit();
  return info;
}

}  // namespace

std::optional<std::int64_t> parse_source_date_epoch(const char* text) {
  if (text == nullptr || *text == '\0') return std::nullopt;
  const auto seconds = parse_decimal(text);
  if (!seconds || *seconds > 253'402'300'799) {  // the last second of the year 9999
    fail(Errc::Invalid, "reading SOURCE_DATE_EPOCH: {} is not a number of seconds",
         layerkit::quoted(text));
  }
  return static_cast<std::int64_t>(*seconds);
}

ImageId commit_container(ContainerStore& store,
                         const ContainerInfo& container,
                         const CommitRequest& request,
                         const Context& context) {
  ImageStore& images = store.images();
  // From before the layer is added until a name holds it.
  const FileLock lock = images.layers().lock(LockKind::Shared);
  const Image base = images.find(container.image.str()).image;
  const json config =
      apply_image_changes(committed_config(base, container.config), request.changes);
  const LayerInfo layer =
      with_context([&] { return "committing container " + container.name; },
                   [&] { return add_layer(store, container, request, context); });
  const Timestamp created =
      request.source_date_epoch ? Timestamp{*request.source_date_epoch, 0} : current_time();
  const Image image =
      base.with_layer({.layer = layer.diff_id,
                       .created = format_rfc3339(created),
                       .created_by = fmt::format("{}", fmt::join(container.config.cmd, " ")),
                       .author = request.author,
                       .comment = request.message},
                      &config);
  images.put(image);
  if (request.name) images.set_names({{*request.name, image.id()}});
  return image.id();
}

}  // namespace layerkit
