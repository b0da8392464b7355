#include <fcntl.h>

#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::array<const char*, 2> kInherited = {"cpuset.cpus", "cpuset.mems"};

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \n") == std::string::npos;
}

/// The value of `file` in `relative`, taken over from above where it is empty.
std::string inherit(const std::string& base, std::string_view relative, const char* file) {
  std::string path = base;
  if (!relative.empty()) path.append("/").append(relative);
  path.append("/").append(file);
  const std::optional<std::string> own = read_control(AT_FDCWD, path);
  if (!own) fail_errno(errno, "creating cgroup: reading {}", quoted(path));
  if (!is_blank(*own) || relative.empty()) return *own;
  std::string value = inherit(base, parent_of(relative), file);
  if (const int error = write_control(AT_FDCWD, path, value))
    fail_errno(error, "creating cgroup: writing {} to {}", quoted(value), quoted(path));
  return value;
}

}  // namespace

void inherit_cpuset(const std::string& base, std::string_view relative) {
  for (const char* file : kInherited)
    inherit(base, relative, file);
}

}  // namespace layerkit::runner
