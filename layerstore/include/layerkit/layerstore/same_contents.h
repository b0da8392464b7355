#pragma once

#include "layerkit/base/byte_stream.h"

namespace layerkit {

/// Reads both until they differ or end.
bool same_contents(ByteSource& a, ByteSource& b);

}  // namespace layerkit
