#include "layerkit/runner/oci_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "object_reader.h"
#include "oci_parts.h"

namespace layerkit {
namespace runner {
namespace {

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kProcess = "the process";
constexpr std::string_view kResources = "the resources";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Semantic versions (semver.org): what has the same major number can be read.
void check_version(const JsonView& version) {
  constexpr std::string_view kMore =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.+";
  const std::string_view text = version.string();
  const std::size_t end = std::min(text.find_first_of("-+"), text.size());
  const std::vector<std::string_view> numbers = split(text.substr(0, end), '.');
  const std::string_view more = text.substr(end);
  if (numbers.size() != 3 || !std::all_of(numbers.begin(), numbers.end(), is_number) ||
      more.size() == 1 || more.find_first_not_of(kMore) != std::string_view::npos)
    version.refuse(quoted(text) + ": not a version such as 1.2.0");
  if (numbers.front() != "1") version.refuse(quoted(text) + ": this runner knows versions 1.x");
}

void read_annotations(const JsonView& object, ContainerSpec& spec) {
  for (const auto& [key, value] : object.members()) {
    if (key.empty()) object.refuse("has an empty key");
    spec.annotations.emplace(key, value.string());
  }
}

}  // namespace

std::vector<IdMapping> read_mappings(const JsonView& list, const Context& context) {
  std::vector<IdMapping> mappings;
  for (const JsonView& item : list.items()) {
    ObjectReader reader(item, context);
    IdMapping mapping;
    mapping.container_id = ObjectReader::number_of<std::uint32_t>(reader.need("containerID"));
    mapping.host_id = ObjectReader::number_of<std::uint32_t>(reader.need("hostID"));
    mapping.size = ObjectReader::number_of<std::uint32_t>(reader.need("size"));
    reader.finish();
    mappings.push_back(mapping);
  }
  return mappings;
}

ContainerMount read_mount(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  ContainerMount mount;
  mount.target = reader.need("destination").string();
  if (mount.target.empty()) reader.need("destination").refuse("is empty");
  // Older tools write relative ones; the spec takes them as relative to "/".
  if (!mount.target.starts_with('/')) mount.target.insert(0, "/");
  reader.text("type", mount.type);
  reader.text("source", mount.source);
  std::vector<std::string> options;
  reader.texts("options", options);
  const auto is_bind_word = [](const std::string& word) {
    return word == "bind" || word == "rbind";
  };
  const bool asks_for_bind = std::any_of(options.begin(), options.end(), is_bind_word);
  if (asks_for_bind || mount.type.empty()) mount.type = "bind";
  if (mount.type == "cgroup2") mount.type = "cgroup";
  mount.recursive = false;
  if (mount.type == "bind" && mount.source.empty()) object.refuse("is a bind mount without source");
  apply_mount_options(mount, options, context);
  if (const auto uids = reader.take("uidMappings"))
    mount.uid_mappings = read_mappings(*uids, context);
  if (const auto gids = reader.take("gidMappings"))
    mount.gid_mappings = read_mappings(*gids, context);
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
    object.refuse("has mappings of users or of groups alone");
  if (!mount.uid_mappings.empty()) {
    if (mount.type != "bind") object.refuse("has mappings, which are for bind mounts alone");
    mount.is_id_mapped = true;
  }
  reader.finish();
  return mount;
}

}  // namespace runner

OciConfig read_oci_config(std::string_view json, const Context& context) {
  using namespace runner;  // NOLINT(google-build-using-namespace)
  const nlohmann::json document = parse_json(json, kConfig, kMaxOciConfig);
  ObjectReader reader(JsonView(document, std::string(kConfig)), context);
  OciConfig config;
  const JsonView version = reader.need("ociVersion");
  check_version(version);
  config.oci_version = version.string();
  ObjectReader root(reader.need("root"), context);
  config.root_path = root.need("path").string();
  if (config.root_path.empty()) root.need("path").refuse("is empty");
  root.flag("readonly", config.spec.read_only_rootfs);
  root.finish();
  if (const auto process = reader.take("process"))
    config.spec.process = read_process(*process, context);
  reader.text("hostname", config.spec.hostname);
  reader.text("domainname", config.spec.domainname);
  if (const auto mounts = reader.take("mounts")) {
    for (const JsonView& mount : mounts->items())
      config.spec.mounts.push_back(read_mount(mount, context));
  }
  if (const auto hooks = reader.take("hooks")) config.spec.hooks = read_hooks(*hooks, context);
  if (const auto annotations = reader.take("annotations"))
    read_annotations(*annotations, config.spec);
  read_linux(reader.need("linux"), config.spec, context);
  reader.finish();
  return config;
}

ProcessSpec read_oci_process(std::string_view json, const Context& context) {
  const nlohmann::json document = parse_json(json, runner::kProcess, kMaxOciConfig);
  return runner::read_process(JsonView(document, std::string(runner::kProcess)), context);
}

Resources read_oci_resources(std::string_view json, const Context& context) {
  const nlohmann::json document = parse_json(json, runner::kResources, kMaxOciConfig);
  return runner::read_resources(JsonView(document, std::string(runner::kResources)), context);
}

}  // namespace layerkit
