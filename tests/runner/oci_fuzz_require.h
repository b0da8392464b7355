#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/error.h"

namespace layerkit::testing {

/// The document that require() shows, as long as the object lives.
class RequireText final {
 public:
  explicit RequireText(std::string_view text);
  RequireText(const RequireText&) = delete;
  RequireText& operator=(const RequireText&) = delete;
  ~RequireText();
};

/// Ends the program with the document unless `holds`.
void require(bool holds, std::string_view what);
/// What is shown to people: one line, no control characters, of bounded length.
void require_message(const std::string& message);
void require_error(const Error& error);

}  // namespace layerkit::testing
