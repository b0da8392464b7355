#include "cli/user_name.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

std::string user_name(std::uint32_t uid) {
  constexpr std::size_t kMaxPasswd = 4U << 20U;
  try {
    const std::string passwd = read_file_at(AT_FDCWD, "/etc/passwd", kMaxPasswd);
    for (const std::string_view line : split(passwd, '\n')) {
      const std::vector<std::string_view> fields = split(line, ':');
      if (fields.size() > 2 && parse_decimal(fields[2]) == uid) return std::string(fields[0]);
    }
  } catch (const Error&) {
    // A system without users: the number will do.
  }
  return fmt::format("#{}", uid);
}

}  // namespace layerkit::cli
