#include "temporary_directory.h"

#include <fcntl.h>

#include <cstdlib>

#include "layerkit/base/file.h"

namespace layerkit {

Fd open_temporary_directory() {
  const char* directory = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const bool is_set = directory != nullptr && *directory != '\0';
  return open_dir_at(AT_FDCWD, is_set ? directory : "/var/tmp");
}

Fd open_temporary_file() {
  return open_at(open_temporary_directory().get(), ".", O_TMPFILE | O_RDWR, 0600);
}

}  // namespace layerkit
