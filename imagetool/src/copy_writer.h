#pragma once

#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

struct CopyWriterOptions {
  RelPath directory;            ///< below the root: where entries go; it is there
  Follow parents = Follow::No;  ///< how symlinks above an entry are treated
  bool keeps_owners = false;    ///< and set-user-ID bits; else all is the calling user's
};

/// Puts entries into a directory that others may change meanwhile; nothing outside `root` is
/// touched. A file, symlink, ... replaces what is no directory, whole and at once; a directory that
/// is there stays as it is. Parents that are missing are made. Throws Error{Invalid} for a
/// directory in the place of something else, and for something else in the place of a directory.
/// Devices need CAP_MKNOD.
std::unique_ptr<LayerWriter> make_copy_writer(RootDir root, CopyWriterOptions options);

}  // namespace layerkit
