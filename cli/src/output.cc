#include "cli/output.h"

#include <cerrno>
#include <cstdio>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

std::string& program_name() {
  static std::string name = "layerkit";
  return name;
}

std::function<void(std::string_view)>& error_listener() {
  static std::function<void(std::string_view)> listener;
  return listener;
}

}  // namespace

void set_error_listener(std::function<void(std::string_view text)> listener) {
  error_listener() = std::move(listener);
}

void set_program_name(std::string_view name) {
  program_name() = name;
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail_errno(errno, "writing to standard output");
  }
}

void print_line(std::string_view text) {
  print(text);
  print("\n");
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_errno(errno, "writing to standard output");
}

void print_error(std::string_view text) {
  if (error_listener()) error_listener()(text);
  // Messages quote what they name, so only line breaks and raw control characters change here.
  std::string line = program_name() + ": ";
  for (const char c : text) {
    line +=
        static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? escaped({&c, 1}) : std::string(1, c);
  }
  line += '\n';
  // Nobody is left to tell when this fails.
  static_cast<void>(std::fflush(stdout));  // keeps the order when both go to one terminal
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

}  // namespace layerkit::cli
