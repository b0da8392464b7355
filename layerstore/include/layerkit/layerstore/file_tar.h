#pragma once

#include <memory>

#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

/// As make_tar_writer, but for an archive of files (TarDialect::Literal) and not for a layer: names
/// that start with ".wh." are names like others. Entries that hide something are Error{Invalid}.
std::unique_ptr<LayerWriter> make_file_tar_writer(ByteSink& sink);

}  // namespace layerkit
