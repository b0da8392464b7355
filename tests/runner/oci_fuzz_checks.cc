#include "oci_fuzz_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cgroup.h"
#include "cgroup_settings.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/oci_config.h"
#include "oci_fuzz_keys.h"
#include "oci_fuzz_meaning.h"
#include "oci_fuzz_plan.h"
#include "oci_fuzz_require.h"
#include "runtime/container_record.h"
#include "runtime/runtime_parts.h"
#include "seccomp/seccomp_filter.h"
#include "spec_check.h"

namespace layerkit::testing {
namespace {

using namespace runner;  // NOLINT(google-build-using-namespace)

/// Compiling takes as long as hundreds of documents; and a few rules are as good as many.
constexpr std::size_t kFilterEach = 16;
constexpr std::size_t kMostRules = 64;
constexpr std::size_t kContainerEach = 2;

struct Reading {
  std::optional<OciConfig> config;
  std::optional<ProcessSpec> process;
  std::string error;
  std::vector<std::string> warnings;

  bool operator==(const Reading& other) const {
    return error == other.error && warnings == other.warnings &&
           config.has_value() == other.config.has_value() &&
           (!config || description_of(config->spec) == description_of(other.config->spec)) &&
           (!process || description_of(*process) == description_of(*other.process));
  }
};

Reading read(const std::function<void(Reading&, const Context&)>& parse) {
  Reading reading;
  Context context;
  context.warn = [&](const std::string& line) {
    require_message(line);
    reading.warnings.push_back(line);
  };
  try {
    parse(reading, context);
  } catch (const Error& error) {
    require_error(error);
    reading.error = error.message();
  }
  return reading;
}

Reading read_config(std::string_view text) {
  return read([&](Reading& reading, const Context& context) {
    reading.config = read_oci_config(text, context);
  });
}

Reading read_process_file(std::string_view text) {
  return read([&](Reading& reading, const Context& context) {
    reading.process = read_oci_process(text, context);
  });
}

/// True unless the work ended with an error, which then is one to show.
bool succeeds(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    require_error(error);
    return false;
  }
  return true;
}

void check_told(const Reading& reading, std::string_view text, std::string_view root) {
  const auto told = std::count_if(
      reading.warnings.begin(), reading.warnings.end(),
      [](const std::string& line) { return line.ends_with("is not known and has no effect"); });
  require(static_cast<std::size_t>(told) == unknown_keys(nlohmann::json::parse(text), root),
          "a property that is not known is not told");
}

void check_settings(const Resources& resources) {
  for (const auto& make : {v1_settings, v2_settings}) {
    std::vector<CgroupSetting> settings;
    if (!succeeds([&] { settings = make(resources); })) continue;
    for (const CgroupSetting& setting : settings) {
      require(setting.file.find('/') == std::string::npos && !setting.file.empty(),
              "a limit goes to no file of a cgroup");
      require(setting.value.find_first_of(std::string_view("\n\0", 2)) == std::string::npos,
              "the value of a limit is not one line");
    }
  }
}

/// What is kept of a container reads back.
void check_record(const OciConfig& config, const std::string& cgroups_path) {
  ContainerRecord record;
  record.oci_version = config.oci_version;
  record.id = "fuzz";
  record.bundle = "/bundle";
  record.rootfs = config.root_path;
  record.annotations = config.spec.annotations;
  record.cgroups_path = cgroups_path;
  const std::string written = to_json(record);
  const ContainerRecord again = parse_record(written, "the record");
  require(again.annotations == record.annotations && again.rootfs == record.rootfs &&
              again.oci_version == record.oci_version,
          "the record of a container reads back differently");
  require(nlohmann::json::accept(state_json(state_of(record), false)), "the state is no JSON");
}

std::optional<SeccompFilter> filter_of(const ContainerSpec& spec, std::size_t number) {
  SeccompFilter filter;
  if (!spec.seccomp || number % kFilterEach != 0 || spec.seccomp->syscalls.size() > kMostRules)
    return filter;
  if (!succeeds([&] { filter = compile_seccomp(*spec.seccomp, Context{}); })) return std::nullopt;
  require(!filter.program.empty() && filter.program.size() <= BPF_MAXINSNS,
          "a seccomp program has no length that the kernel takes");
  return filter;
}

/// What `create` adds before it looks at the document as a whole.
void complete(ContainerSpec& spec) {
  spec.id = "fuzz";
  if (spec.namespaces.user.is_new() && spec.uid_mappings.empty() && spec.gid_mappings.empty()) {
    spec.uid_mappings = {{0, 1000, 1}};
    spec.gid_mappings = {{0, 1000, 1}};
  }
  spec.process.apparmor_profile.clear();
  spec.process.selinux_label.clear();
  spec.mount_label.clear();
  if (spec.process.args.empty()) spec.process.args = {"none"};
  if (spec.process.cwd.empty()) spec.process.cwd = "/";
  open_harmless_sources(spec);
}

Came check_container(Reading reading, std::string_view text, std::size_t number) {
  OciConfig& config = *reading.config;
  check_told(reading, text, "");
  require_meaning(config, text);
  ContainerSpec& spec = config.spec;
  const bool has_place = succeeds([&] {
    const std::string path = cgroup_path_of(spec.cgroups_path, "fuzz");
    check_record(config, path);
  });
  if (!has_place) return Came::ToChecks;
  complete(spec);
  if (!succeeds([&] { check_spec(spec); })) return Came::ToChecks;
  require_sane(spec);
  check_settings(spec.resources);
  std::optional<SeccompFilter> filter = filter_of(spec, number);
  if (!filter || number % kContainerEach != 0) return Came::ToPlanning;
  const bool is_planned = succeeds([&] { plan_container(std::move(spec), *std::move(filter)); });
  return is_planned ? Came::Through : Came::ToPlanning;
}

std::size_t number_of(std::string_view text) {
  return std::hash<std::string_view>()(text) >> 8U;
}

}  // namespace

Came check_config_document(std::string_view text) {
  const RequireText shown(text);
  Reading reading = read_config(text);
  require(reading == read_config(text), "the second reading differs");
  if (!reading.config) return Came::ToReading;
  return check_container(std::move(reading), text, number_of(text));
}

Came check_process_document(std::string_view text) {
  const RequireText shown(text);
  Reading reading = read_process_file(text);
  require(reading == read_process_file(text), "the second reading differs");
  if (!reading.process) return Came::ToReading;
  check_told(reading, text, "process");
  require_meaning(*reading.process, nlohmann::json::parse(text));
  if (!succeeds([&] { check_process(*reading.process); })) return Came::ToChecks;
  require_sane(*reading.process);
  const bool is_planned = succeeds([&] { plan_process(*std::move(reading.process)); });
  return is_planned ? Came::Through : Came::ToPlanning;
}

}  // namespace layerkit::testing
