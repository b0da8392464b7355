#pragma once

#include <optional>
#include <string>
#include <vector>

#include "container_record.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"

namespace layerkit::runner {

/// The directory of one container below the runtime's root: docs/formats/runner-state.md. Whoever
/// has it open for a change holds its lock.
class StateDirectory {
 public:
  /// Makes it and locks it; Error{Exists} when there is one.
  static StateDirectory make(const std::string& root,
                             const std::string& id,
                             const Context& context);
  /// Without its lock. Error{NotFound}.
  static StateDirectory open(const std::string& root, const std::string& id);
  /// Waits for its lock. Error{NotFound}, or Error{Interrupted} as `context` says.
  static StateDirectory open_locked(const std::string& root,
                                    const std::string& id,
                                    const Context& context);

  int fd() const noexcept { return fd_.get(); }

  /// Of a container that has been made. Throws Error{NotFound} while it has no process.
  ContainerRecord record() const;
  /// As its `create` has it so far, too.
  ContainerRecord unfinished_record() const;
  void write_record(const ContainerRecord& record) const;
  std::string config() const;
  void write_config(std::string_view text) const;

  /// A new FIFO, open for reading and writing.
  Fd make_gate() const;
  /// Whether a process waits at the gate, or is on its way there. That alone tells what is created
  /// from what runs: whoever lets it go may die before it can write anything down.
  bool is_gate_shut() const;
  /// Lets the process that waits at the gate go; Error{NotFound} when none does. `waits`: until it
  /// has executed its program, or has ended.
  void open_gate(bool waits) const;
  /// Ends the process that waits at the gate, if one does.
  void dismiss() const noexcept;

  /// The files above, then the directory; Error when there is anything else in it.
  void remove() const;

 private:
  StateDirectory(Fd root, std::string id, Fd fd)
      : root_(std::move(root)), id_(std::move(id)), fd_(std::move(fd)) {}
  void lock(const Context& context);
  /// Between mkdir(2) and the lock, somebody may have removed it and made another.
  void check_is_new() const;

  Fd root_;
  std::string id_;
  Fd fd_;
};

/// The ids below `root`, sorted; none when it does not exist.
std::vector<std::string> container_ids(const std::string& root);

}  // namespace layerkit::runner
