#include "layerkit/base/file_type.h"

#include <sys/stat.h>

namespace layerkit {

mode_t file_type_bits(FileType type) noexcept {
  switch (type) {
    case FileType::Regular:
      return S_IFREG;
    case FileType::Directory:
      return S_IFDIR;
    case FileType::Symlink:
      return S_IFLNK;
    case FileType::CharDevice:
      return S_IFCHR;
    case FileType::BlockDevice:
      return S_IFBLK;
    case FileType::Fifo:
      return S_IFIFO;
    case FileType::Socket:
      return S_IFSOCK;
  }
  return 0;
}

}  // namespace layerkit
