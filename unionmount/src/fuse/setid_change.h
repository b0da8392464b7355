#pragma once

#include <sys/stat.h>

#include "request_flags.h"

namespace layerkit {

/// Whether the caller is in the group. What cannot be found out counts as no.
bool is_in_group(const RequestFlags& request, gid_t group);

/// A change of a file's contents by this thread that does to the setuid and setgid bits what it
/// would if the caller made it. Without CAP_FSETID they go, but for the setgid bit of a file that
/// its group may not execute, if the caller is in the group: the kernel would ask for the groups of
/// this thread.
class SetidChange final {
 public:
  /// `before`: the file's attributes. Looks at groups now, while the caller waits.
  SetidChange(const RequestFlags& request, const struct stat& before);
  SetidChange(const RequestFlags& request, int fd);

  /// After the change of `fd`.
  void settle(int fd) const;

 private:
  enum class SetgidBit { OfTheKernel, Stays, Goes };
  SetgidBit bit_ = SetgidBit::OfTheKernel;
};

}  // namespace layerkit
