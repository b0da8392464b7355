#pragma once

#include "launch.h"

namespace layerkit::runner {

/// For a process in the hands of the caller, who keeps its terminal: no hooks, no listener.
class TerminalEvents final : public LaunchEvents {
 public:
  void run_hooks(pid_t /*pid*/) override {}
  void take_terminal(Fd master) override { terminal_ = std::move(master); }
  void take_seccomp_listener(Fd /*listener*/, pid_t /*pid*/) override {}

  Fd terminal() { return std::move(terminal_); }

 private:
  Fd terminal_;
};

}  // namespace layerkit::runner
