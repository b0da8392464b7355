#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "home_directory.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kMaxPasswd = 4U << 20U;

/// Whatever lies there is not trusted: empty for what is no regular file of a sensible size. It is
/// looked at before it is opened: no rule of the container's keeps us from its devices.
std::string read_passwd(int root) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const Fd place(static_cast<int>(::syscall(SYS_openat2, root, "etc/passwd", &how, sizeof(how))));
  struct stat stat {};
  if (!place || ::fstat(place.get(), &stat) != 0 || !S_ISREG(stat.st_mode)) return {};
  const Fd file(::open(fmt::format("/proc/self/fd/{}", place.get()).c_str(),
                       O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return {};
  try {
    FdSource source(file.get(), "/etc/passwd");
    return read_all(source, kMaxPasswd, "/etc/passwd");
  } catch (const Error&) {
    return {};
  }
}

/// passwd(5): name:password:uid:gid:comment:directory:shell.
std::string home_in(const std::string& passwd, std::uint32_t uid) {
  for (const std::string_view line : split(passwd, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 6 || parse_decimal(fields[2]) != uid) continue;
    return std::string(fields[5]);
  }
  return {};
}

}  // namespace

void add_home(ProcessSpec& process, int root) {
  const auto is_home = [](const std::string& variable) { return variable.starts_with("HOME="); };
  // Of several the last one counts.
  const auto found = std::find_if(process.env.rbegin(), process.env.rend(), is_home);
  if (found != process.env.rend() && *found != "HOME=") return;
  std::string home = home_in(read_passwd(root), process.uid);
  if (home.empty() || home.find('\0') != std::string::npos) home = "/";
  std::erase_if(process.env, is_home);
  process.env.push_back("HOME=" + home);
}

}  // namespace layerkit::runner
