#include "control/places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// Nobody but the owner and root can put anything there.
bool is_trusted(const FileStat& info) {
  constexpr std::uint32_t kOthersWrite = 022;
  return info.type == FileType::Directory && (info.uid == ::geteuid() || info.uid == 0) &&
         (info.mode & kOthersWrite) == 0;
}

/// Opens it, made if need be; the reason why not in `problem`.
Fd make_place(const std::string& path, std::string& problem) {
  try {
    const std::size_t slash = path.rfind('/');
    // The parent belongs to the system; only /run may lack it.
    const Fd parent = open_at(AT_FDCWD, path.substr(0, slash), O_PATH | O_DIRECTORY);
    const std::string name = path.substr(slash + 1);
    if (!stat_at(parent.get(), name)) make_dir_at(parent.get(), name, 0755);
    Fd place = open_dir_at(parent.get(), name);
    if (!is_trusted(stat_fd(place.get()))) {
      fail(Errc::Invalid, "{} belongs to somebody else, or others may write to it", quoted(path));
    }
    if (::faccessat(place.get(), ".", W_OK, AT_EACCESS) == 0) return place;
    fail_errno(errno, "writing to {}", quoted(path));
  } catch (const Error& error) {
    problem += (problem.empty() ? "" : "; ") + error.message();
    return Fd();
  }
}

}  // namespace

std::vector<std::string> control_places() {
  std::vector<std::string> places;
  const uid_t user = ::geteuid();
  if (user == 0) places.emplace_back(kRootPlace);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') places.push_back(std::string(runtime) + "/aufs");
  places.push_back(fmt::format("/run/user/{}/aufs", user));
  places.push_back(fmt::format("/tmp/aufs-{}", user));
  return places;
}

Fd make_control_place() {
  std::string problems;
  for (const std::string& path : control_places()) {
    if (Fd place = make_place(path, problems)) return place;
  }
  fail(Errc::Unsupported, "making a directory for the control of the union: {}", problems);
}

Fd open_control_place(const std::string& path) {
  auto place = open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!place || !is_trusted(stat_fd(place->get()))) return Fd();
  return std::move(*place);
}

}  // namespace layerkit
