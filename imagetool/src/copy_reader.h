#pragma once

#include <functional>
#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

/// What is read of an object that is copied.
struct CopyReaderOptions {
  RelPath name;               ///< of the object; what is in it follows below that
  bool with_object = true;    ///< false: only what is in it
  bool takes_devices = true;  ///< else they are left out with a warning
  bool with_owners = false;   ///< extended attributes that give rights are read, too
};

/// An object (O_PATH, a symlink itself) with all that is in it, as it is while it is read; parents
/// before children. Never leaves it: a symlink is an object, not a way. What vanishes meanwhile is
/// left out; with a warning, so are sockets and what becomes something else meanwhile, and a file
/// that becomes shorter ends in zeros. Hard links among the files stay such. Of the extended
/// attributes those of copy_xattrs.h are read. `context` must outlive the reader.
std::unique_ptr<LayerReader> make_copy_reader(Fd object,
                                              CopyReaderOptions options,
                                              const Context& context);

}  // namespace layerkit
