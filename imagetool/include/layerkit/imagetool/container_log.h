#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"

namespace layerkit {

// A container's log in the format of docker's json-file driver: one JSON object per line,
// {"log": text with its newline, "stream": "stdout" or "stderr", "time": RFC 3339}.

enum class LogStream { Output, Error };

struct LogLine {
  LogStream stream = LogStream::Output;
  std::string text;  ///< with its newline, unless it was longer than kMaxLogText or the last
  std::string time;  ///< RFC 3339
};

/// Longer lines are logged in pieces, as docker does.
inline constexpr std::size_t kMaxLogText = std::size_t{16} * 1024;

/// One line of the file with its newline. Bytes that are not UTF-8 become U+FFFD, as with docker.
std::string format_log_line(const LogLine& line);
/// nullopt for what is no line of a log, e.g. half a line after a crash.
std::optional<LogLine> parse_log_line(std::string_view json);

/// Cuts both streams of a container into lines and appends these to a file. Not thread-safe.
class LogWriter {
 public:
  /// `file` is open for appending; `clock` gives the time of a line.
  LogWriter(Fd file, std::function<Timestamp()> clock);

  /// Throws when the file cannot be written; the writer may still be used then.
  void write(LogStream stream, std::string_view bytes);
  /// Writes what is left of lines without newline.
  void finish();

 private:
  void put(LogStream stream, std::string_view text);
  void flush();
  std::string& pending(LogStream stream) { return pending_[stream == LogStream::Output ? 0 : 1]; }

  Fd file_;
  std::function<Timestamp()> clock_;
  std::string pending_[2];
  std::string lines_;  ///< for the next write to the file
};

/// Reads a log from its start and, while it grows, on. Not thread-safe.
class LogReader {
 public:
  explicit LogReader(Fd file) : file_(std::move(file)) {}
  /// The next complete line; nullopt at the present end of the file. Broken lines are passed over.
  std::optional<LogLine> next();

 private:
  Fd file_;
  std::string buffer_;
  std::size_t start_ = 0;
};

}  // namespace layerkit
