#include "copy_stream.h"

#include <fcntl.h>

#include <filesystem>

#include "layerkit/base/file.h"
#include "layerkit/base/interruptible_source.h"

namespace layerkit {

RootDir root_of_host() {
  return RootDir(open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
}

std::string absolute_host_path(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  return std::filesystem::current_path().string() + "/" + path;
}

std::uint64_t move_entries(LayerReader& from, LayerWriter& to, const Context& context) {
  std::uint64_t bytes = 0;
  while (const auto entry = from.next()) {
    context.check_interrupted();
    InterruptibleSource contents(from.contents(), context);
    to.add(*entry, contents);
    bytes += entry->size;
  }
  to.finish();
  return bytes;
}

}  // namespace layerkit
