#include <fcntl.h>
#include <fmt/core.h>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "setid_change.h"

namespace layerkit {
namespace {

constexpr struct stat kNothing = {};

/// Those of proc(5), "status"; none of a process that is not seen from here.
bool has_supplementary_group(pid_t pid, gid_t group) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  // NGROUPS_MAX groups fit in
  constexpr std::string_view kLabel = "\nGroups:";
  std::string status;
  try {
    status = read_file_at(AT_FDCWD, fmt::format("/proc/{}/status", pid), kMaxBytes);
  } catch (const Error&) {
    return false;
  }
  const std::size_t at = status.find(kLabel);
  if (at == std::string::npos) return false;
  const std::size_t start = at + kLabel.size();
  const std::string wanted = fmt::format("{}", group);
  for (const std::string_view word :
       split(std::string_view(status).substr(start, status.find('\n', start) - start), ' '))
    if (word == wanted || word == '\t' + wanted) return true;
  return false;
}

}  // namespace

bool is_in_group(const RequestFlags& request, gid_t group) {
  return request.gid == group || has_supplementary_group(request.pid, group);
}

SetidChange::SetidChange(const RequestFlags& request, const struct stat& before) {
  keep_setid_bits(!request.kills_setid_bits);
  const bool is_setgid = (before.st_mode & (S_ISGID | S_IXGRP)) == S_ISGID;
  if (!request.kills_setid_bits || !S_ISREG(before.st_mode) || !is_setgid) return;
  bit_ = is_in_group(request, before.st_gid) ? SetgidBit::Stays : SetgidBit::Goes;
}

SetidChange::SetidChange(const RequestFlags& request, int fd)
    : SetidChange(request, request.kills_setid_bits ? stat_open(fd) : kNothing) {}

void SetidChange::settle(int fd) const {
  if (bit_ == SetgidBit::OfTheKernel) return;
  const mode_t mode = stat_open(fd).st_mode & 07777;
  const mode_t wanted = bit_ == SetgidBit::Stays ? mode | S_ISGID : mode & ~mode_t{S_ISGID};
  if (mode == wanted) return;
  keep_setid_bits(true);
  set_mode(fd, wanted);
}

}  // namespace layerkit
