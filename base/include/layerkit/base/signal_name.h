#pragma once

#include <string_view>

namespace layerkit {

/// A signal by number ("9") or name, with or without "SIG", in any case ("KILL", "SIGRTMIN+3").
/// Throws Error{Invalid} that quotes the text.
int parse_signal(std::string_view text);

}  // namespace layerkit
