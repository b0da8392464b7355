#pragma once

#include <sys/types.h>

#include <cstdint>

#include "control/run_directory.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// Stays with the server of a union: whatever ends it, no dead mount and no control directory is
/// left where this process sees them. SIGTERM, SIGINT and SIGHUP take the mount away (lazily),
/// which ends the server. `ready` gets the reason when the server dies before it told anything.
/// REQUIRES: block_supervisor_signals was called before the server was forked. Returns the
/// server's exit code, or 128 and the signal's number.
int supervise(pid_t server, std::uint64_t device, RunDirectory directory, Fd ready);

/// Signals wait until supervise takes them.
void block_supervisor_signals();
/// For the server: those signals are the supervisor's business.
void ignore_supervisor_signals();

}  // namespace layerkit
