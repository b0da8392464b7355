#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel_log.h"
#include "layerkit/base/text.h"

namespace layerkit {

KernelLogTail::KernelLogTail() : log_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (log_ && ::lseek(log_.get(), 0, SEEK_END) < 0) log_.reset();
}

std::string KernelLogTail::last_with_prefix(std::string_view prefix) const {
  std::string last;
  if (!log_) return last;
  // One record per read: "priority,sequence,time,flags[,...];text\n" and lines of a dictionary.
  std::array<char, 8192> buffer{};
  for (;;) {
    const ssize_t got = ::read(log_.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EPIPE)) continue;  // EPIPE: records were overwritten
    if (got <= 0) break;
    std::string_view record(buffer.data(), static_cast<std::size_t>(got));
    record.remove_prefix(std::min(record.size(), record.find(';') + 1));
    const std::string_view text = record.substr(0, record.find('\n'));
    if (text.substr(0, prefix.size()) == prefix) last = escaped(text);
  }
  return last;
}

}  // namespace layerkit
