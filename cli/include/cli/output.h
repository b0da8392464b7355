#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace layerkit::cli {

// The only way to standard output and standard error for subcommands: what cannot be written is an
// Error with its errno, which a plain printf would lose.

/// Writes to standard output (buffered until flush_output or the end of the program).
void print(std::string_view text);
/// Writes `text` and a newline.
void print_line(std::string_view text);
/// Hands everything to the kernel; before a child process or another library writes.
void flush_output();
/// What print_error puts in front. REQUIRES: no other threads.
void set_program_name(std::string_view name);
/// Who hears of what print_error says, too: a log. REQUIRES: no other threads.
void set_error_listener(std::function<void(std::string_view text)> listener);
/// "<program>: <text>" on standard error, one line; control characters are escaped.
void print_error(std::string_view text);

}  // namespace layerkit::cli
