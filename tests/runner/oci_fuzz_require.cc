#include "oci_fuzz_require.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "layerkit/base/text.h"

namespace layerkit::testing {
namespace {

constexpr std::size_t kMaxMessage = 64 << 10;

std::string_view shown;

}  // namespace

RequireText::RequireText(std::string_view text) {
  shown = text;
}

RequireText::~RequireText() {
  shown = {};
}

void require(bool holds, std::string_view what) {
  if (holds) return;
  static_cast<void>(
      std::fprintf(stderr, "%s: %s\n", std::string(what).c_str(), escaped(shown).c_str()));
  std::abort();
}

void require_message(const std::string& message) {
  const bool is_line = std::none_of(message.begin(), message.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  });
  require(is_line && !message.empty(), "a message is not fit to print");
  require(message.size() <= kMaxMessage, "a message is too long");
}

void require_error(const Error& error) {
  require_message(error.message());
  const Errc code = error.code();
  // A system call may fail as this system pleases.
  require(error.sys_errno() != 0 || code == Errc::Invalid || code == Errc::Limit ||
              code == Errc::Unsupported || code == Errc::NotFound,
          "an unexpected error: " + error.message());
}

}  // namespace layerkit::testing
