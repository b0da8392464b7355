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
/// is there stays as it is, but for one that was made here: it becomes as its entry says, early or
/// late. Parents that are missing are made. Extended attributes are those of copy_xattrs.h; where
/// the file system takes one of them not, the first time is a warning. Throws Error{Invalid} for a
/// directory in the place of something else, and for something else in the place of a directory.
/// Devices need CAP_MKNOD. `context` must outlive the writer.
std::unique_ptr<LayerWriter> make_copy_writer(RootDir root,
                                              CopyWriterOptions options,
                                              const Context& context);

}  // namespace layerkit
