#pragma once

#include <string>

#include "layerkit/base/fd.h"

namespace layerkit::runner {

/// Connects to a unix stream socket; `what` is what errors call it.
Fd connect_to(const std::string& path, const std::string& what);
/// Sends `text` with the descriptor.
void send_descriptor(const Fd& socket, int fd, const std::string& text, const std::string& what);

}  // namespace layerkit::runner
