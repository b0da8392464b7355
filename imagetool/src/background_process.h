#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/started_process.h"

namespace layerkit {

/// What a process in the background says: a text, perhaps with a descriptor.
struct BackgroundPacket {
  std::string text;
  Fd fd;
};

/// A process that goes on by itself when the one that started it stops, ends or is stuck. It has a
/// session and signals of its own and is nobody's zombie. Not thread-safe.
class BackgroundProcess {
 public:
  /// Forks; `work` runs in the new process, which ends with it, and says what it has to say on the
  /// socket it is given (send_to_starter). REQUIRES: the calling process has one thread.
  explicit BackgroundProcess(const std::function<void(int socket)>& work);

  /// Waits until it has said something or has ended: true; or until `other` is readable or the time
  /// is over: false. A negative time is endless.
  bool await(int other, int timeout_ms) const;
  /// What it says next; waits for it. nullopt when it says nothing more.
  std::optional<BackgroundPacket> receive() const;
  /// One that has ended is left alone.
  void signal(int signal_number) const;
  void await_end() const;

 private:
  Fd socket_;
  Fd pidfd_;
};

/// Called in the background. Dropped when nobody listens any more.
void send_to_starter(int socket, std::string_view text, int fd = -1);
/// Called in the background: lets go of the starter's directory, streams and descriptors, but for
/// those `kept`.
void leave_starter(const std::vector<int>& kept);

/// The last word of a start: "started", or a failure with all its parts.
inline constexpr std::string_view kStarted = "started";
std::string failure_text(const Error& error, StartFailure failure);
/// Throws the failure that `packet` tells of; when the process `what` ended without a word, says
/// so. `failure` may be null.
[[noreturn]] void throw_failure(const std::optional<BackgroundPacket>& packet,
                                std::string_view what,
                                StartFailure* failure);

}  // namespace layerkit
