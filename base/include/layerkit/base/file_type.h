#pragma once

#include <sys/types.h>

#include "layerkit/base/entry.h"

namespace layerkit {

/// The S_IFMT bits of a type, as mknod(2) and st_mode have them.
mode_t file_type_bits(FileType type) noexcept;

}  // namespace layerkit
