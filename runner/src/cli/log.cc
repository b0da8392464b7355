#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/session.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit::cli {
namespace {

std::string now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string log_line(const std::string& format, std::string_view text) {
  constexpr std::string_view kWarning = "warning: ";
  const bool is_warning = text.starts_with(kWarning);
  nlohmann::ordered_json line;
  line["level"] = is_warning ? "warning" : "error";
  line["msg"] = std::string(is_warning ? text.substr(kWarning.size()) : text);
  line["time"] = now();
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  if (format == "json") return line.dump(-1, ' ', false, kReplace) + "\n";
  return fmt::format("time={} level={} msg={}\n", line["time"].dump(), std::string(line["level"]),
                     line["msg"].dump(-1, ' ', false, kReplace));
}

}  // namespace

void open_log(const std::string& path, const std::string& format) {
  if (path.empty()) return;
  const auto file =
      std::make_shared<Fd>(open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644));
  set_error_listener([file, format](std::string_view text) {
    const std::string line = log_line(format, text);
    // Nobody is left to tell when this fails.
    (void)!::write(file->get(), line.data(), line.size());
  });
}

}  // namespace layerkit::cli
