#pragma once

#include <string>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// The directory `si_ID` of one union, shown to others once it is complete and removed with the
/// object. docs/formats/union-control.md has its contents.
class RunDirectory final {
 public:
  /// Makes the directory, hidden, in the first place that allows it. An ID that is taken, or is not
  /// of hex digits, is replaced with a random one.
  static RunDirectory create(const std::string& wanted_id);

  RunDirectory(RunDirectory&&) noexcept = default;
  RunDirectory& operator=(RunDirectory&&) = delete;
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  ~RunDirectory() { remove(); }

  const std::string& id() const noexcept { return id_; }
  int fd() const noexcept { return directory_.get(); }
  /// Replaced in one step: readers see the old or the new text.
  void write(const std::string& name, const std::string& text) const;
  void erase(const std::string& name) const;
  void publish() const;
  /// Leaves the directory to another process, which has a copy of this object.
  void leave() noexcept { place_.reset(); }
  void remove() noexcept;

 private:
  RunDirectory(Fd place, Fd directory, std::string id);

  Fd place_;
  Fd directory_;
  std::string id_;
};

/// True when the server of the union that `directory` belongs to is alive.
bool answers(int directory);

}  // namespace layerkit
