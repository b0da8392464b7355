#include <fcntl.h>
#include <fmt/format.h>

#include "cgroup_files.h"
#include "init_cgroup.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {

std::string place_of_init(const Cgroup& own, const std::string& cgroups_path, pid_t init) {
  const auto directories = own.directories();
  if (directories.empty()) return {};
  const auto given = read_control(AT_FDCWD, directories.front() + "/cgroup.subtree_control");
  if (!given || words_of(*given).empty()) return {};
  const std::string place = "/" + cgroups_path + "/";
  const std::string text =
      read_control(AT_FDCWD, fmt::format("/proc/{}/cgroup", init)).value_or("");
  for (const std::string_view line : split(text, '\n')) {
    const auto found = line.find(place);
    if (line.starts_with("0::/") && found != line.npos)
      return std::string(line.substr(found + place.size()));
  }
  return {};
}

}  // namespace layerkit::runner
