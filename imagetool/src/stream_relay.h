#pragma once

#include <poll.h>

#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_log.h"

namespace layerkit {

/// Carries bytes from one descriptor to another without ever blocking, at most one buffer ahead of
/// a slow reader. `source` is not blocking or was found readable by poll(2); `target` is a pipe, a
/// file or a terminal, blocking or not.
///
/// When the reader has gone, the source is closed: whoever writes into it learns the same way.
class StreamRelay {
 public:
  /// Told about every byte that was read, before it is passed on; may be empty.
  using Observer = std::function<void(std::string_view)>;

  /// `source` and `target`: -1 for none. A relay without target drops what the observer has seen.
  StreamRelay(int source, int target, std::string target_name, Observer observer);

  /// What to poll for the source and for the target; descriptors of -1 are ignored by poll(2).
  pollfd source_poll() const noexcept;
  pollfd target_poll() const noexcept;

  /// Passes bytes on that did not come from the source.
  void add(std::string_view bytes);

  /// Call after poll(2) reported anything for the source; false when nothing was there.
  bool read_some(const Context& context);
  /// Call after poll(2) reported anything for the target.
  void write_some(const Context& context);

  bool source_is_open() const noexcept { return source_ >= 0; }
  bool target_is_open() const noexcept { return target_ >= 0; }
  bool has_pending() const noexcept { return !pending_.empty(); }
  /// What is still to be passed on is dropped, nothing more is read.
  void stop() noexcept;

 private:
  int source_;
  Fd terminal_;  ///< the target opened anew, where it is one
  int target_;
  std::string target_name_;
  Observer observer_;
  std::string pending_;
};

}  // namespace layerkit
