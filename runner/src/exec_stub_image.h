#pragma once

#include "layerkit/base/fd.h"

namespace layerkit::runner {

/// A sealed memfd with the exec stub (exec_stub.cc). The container's program is executed by it and
/// not by the caller's own process, so that a container that runs /proc/self/exe (as "#!"
/// interpreter, say) gets the stub and never the caller's binary (CVE-2019-5736).
Fd open_exec_stub();

}  // namespace layerkit::runner
