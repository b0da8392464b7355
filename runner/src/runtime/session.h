#pragma once

#include <functional>
#include <string>

#include "launch.h"
#include "layerkit/runner/runtime.h"

namespace layerkit::runner {

/// Where a terminal, and the listener of a seccomp filter, go when a process starts.
class StartEvents : public LaunchEvents {
 public:
  /// Connects to the console socket, if there is to be one. Throws when terminal and socket do not
  /// fit together.
  StartEvents(const ContainerSpec& spec, const std::string& console_socket, bool keeps_terminal);

  void run_hooks(pid_t pid) override;
  void prepared(pid_t pid) override;
  void take_terminal(Fd master) override;
  void take_seccomp_listener(Fd listener, pid_t pid) override;

  /// What run_hooks() does.
  void on_hooks(std::function<void(pid_t)> run) { run_hooks_ = std::move(run); }
  /// What prepared() does.
  void on_prepared(std::function<void(pid_t)> act) { prepared_ = std::move(act); }
  /// The state that the seccomp agent is told: JSON.
  void on_state(std::function<std::string(pid_t)> state) { state_ = std::move(state); }
  Fd terminal() { return std::move(terminal_); }

 private:
  Fd console_;
  Fd terminal_;
  std::string listener_path_;
  std::string listener_metadata_;
  std::function<void(pid_t)> run_hooks_;
  std::function<void(pid_t)> prepared_;
  std::function<std::string(pid_t)> state_;
};

/// The process, with its terminal where the caller keeps that.
std::unique_ptr<StartedProcess> started(Process process, Fd terminal);

/// A connection to the socket at `path`, if there is one, and a pidfd of the process for it.
Fd connect_pidfd_socket(const std::string& path);
void send_pidfd(const Fd& socket, const Process& process);

/// The pid in decimal, at once or not at all.
void write_pid_file(const std::string& path, pid_t pid);

/// The caller's 0, 1 and 2 for the process.
void hand_down_streams(ContainerSpec& spec);

}  // namespace layerkit::runner
