#pragma once

#include <array>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// A container's new network namespace, with its loopback interface up, made by the kernel on
/// another processor while the caller prepares the rest: nothing else of a start takes the kernel
/// as long. Not thread-safe.
///
/// Who makes it is a process that shares the caller's memory and descriptors, as vfork(2) has it,
/// for the length of five system calls, and uses nothing of either but this object. It is waited
/// for.
class NetworkAhead {
 public:
  /// Begins, if `namespaces` have a new one that belongs to the caller's user namespace and there
  /// is a processor for it. Throws Error.
  explicit NetworkAhead(const Namespaces& namespaces);
  NetworkAhead(const NetworkAhead&) = delete;
  NetworkAhead& operator=(const NetworkAhead&) = delete;
  ~NetworkAhead();

  /// The namespace as a file of nsfs, to be joined; unset when none was begun. Throws Error when it
  /// could not be made.
  Fd take();

 private:
  static int make(void* object) noexcept;
  void wait() noexcept;

  enum class Step { Namespace, Loopback };
  /// What the process wrote.
  Step step_ = Step::Namespace;
  long result_;  ///< the descriptor, or a negated errno
  Fd maker_;     ///< pidfd; unset once it has ended
  alignas(16) std::array<char, 16384> stack_;
};

}  // namespace layerkit::runner
