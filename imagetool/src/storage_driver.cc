#include "layerkit/imagetool/storage_driver.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// A line of /proc/filesystems is "nodev" or nothing, a tab, and the name (proc(5)).
bool kernel_has(std::string_view filesystem) {
  const std::string text = read_file_at(AT_FDCWD, "/proc/filesystems", std::size_t{1} << 20);
  for (const std::string_view line : split(text, '\n')) {
    const auto tab = line.find('\t');
    if (tab != std::string_view::npos && line.substr(tab + 1) == filesystem) return true;
  }
  return false;
}

}  // namespace

void require_mountable(const Store& layers) {
  if (layers.driver() != StoreDriver::Aufs) return;
  fail(
      Errc::Unsupported,
      "mounting layers of the storage driver aufs is not supported{}: only overlay2 can be mounted",
      kernel_has("aufs") ? ", although the kernel has AUFS" : ", and the kernel has no AUFS");
}

}  // namespace layerkit
