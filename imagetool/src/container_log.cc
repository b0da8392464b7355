#include "layerkit/imagetool/container_log.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "time_format.h"

namespace layerkit {
namespace {

std::string_view stream_name(LogStream stream) noexcept {
  return stream == LogStream::Output ? "stdout" : "stderr";
}

}  // namespace

std::string format_log_line(const LogLine& line) {
  // In docker's order, which a sorted object would lose; the texts are escaped by the library.
  const auto text = [](std::string_view value) {
    return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  return fmt::format("{{\"log\":{},\"stream\":{},\"time\":{}}}\n", text(line.text),
                     text(stream_name(line.stream)), text(line.time));
}

std::optional<LogLine> parse_log_line(std::string_view json) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  const auto member = [&](const char* key) -> std::optional<std::string> {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  const auto text = member("log");
  const auto stream = member("stream");
  const auto time = member("time");
  if (!text || !time || (stream != "stdout" && stream != "stderr")) return std::nullopt;
  return LogLine{stream == "stdout" ? LogStream::Output : LogStream::Error, *text, *time};
}

LogWriter::LogWriter(Fd file, std::function<Timestamp()> clock)
    : file_(std::move(file)), clock_(std::move(clock)) {}

void LogWriter::put(LogStream stream, std::string_view text) {
  lines_ += format_log_line({stream, std::string(text), format_rfc3339(clock_())});
}

void LogWriter::flush() {
  const std::string lines = std::exchange(lines_, {});
  if (!lines.empty()) write_all(file_.get(), lines, "container log");
}

void LogWriter::write(LogStream stream, std::string_view bytes) {
  std::string& rest = pending(stream);
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const auto line_end = newline == std::string_view::npos ? bytes.size() : newline + 1;
    const auto take = std::min(line_end, kMaxLogText - rest.size());
    rest.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (rest.back() != '\n' && rest.size() < kMaxLogText) continue;
    put(stream, rest);
    rest.clear();
  }
  flush();
}

void LogWriter::finish() {
  for (const auto stream : {LogStream::Output, LogStream::Error}) {
    const std::string rest = std::exchange(pending(stream), {});
    if (!rest.empty()) put(stream, rest);
  }
  flush();
}

std::optional<LogLine> LogReader::next() {
  FdSource source(file_.get(), "container log");
  for (;;) {
    const auto newline = buffer_.find('\n', start_);
    if (newline != std::string::npos) {
      auto line = parse_log_line(std::string_view(buffer_).substr(start_, newline - start_));
      start_ = newline + 1;
      if (line) return line;
      continue;
    }
    buffer_.erase(0, start_);
    start_ = 0;
    std::array<std::byte, 65536> chunk{};
    const auto count = source.read(chunk);
    if (count == 0) return std::nullopt;
    const auto* bytes = reinterpret_cast<const char*>(chunk.data());
    buffer_.append(bytes, count);
  }
}

}  // namespace layerkit
