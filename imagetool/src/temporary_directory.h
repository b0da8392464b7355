#pragma once

#include "layerkit/base/fd.h"

namespace layerkit {

/// $TMPDIR, or /var/tmp, which is meant for large files (file-hierarchy(7)).
Fd open_temporary_directory();
/// A file in it that has no name.
Fd open_temporary_file();

}  // namespace layerkit
