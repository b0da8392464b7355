#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/fd.h"

namespace layerkit {

/// What the kernel logs from construction on. Overlayfs explains a refused mount only there.
/// Where the log may not be read, everything is empty.
class KernelLogTail final {
 public:
  KernelLogTail();
  /// The last message since construction that starts with `prefix`, escaped for display. Another
  /// process may have caused it, so it is a hint.
  std::string last_with_prefix(std::string_view prefix) const;

 private:
  Fd log_;
};

}  // namespace layerkit
