#pragma once

#include <string_view>

namespace layerkit {

/// An init for containers: a static program for this architecture, as bytes. Called as
///   init -- COMMAND [ARGUMENT...]
/// it runs the command, looked up in PATH, passes the signals it gets on to it, reaps what is left
/// to it, and ends as the command does: with its exit code, or 128 + its signal; 126 or 127 when it
/// cannot be executed or found. It needs no file but itself.
std::string_view init_program() noexcept;

}  // namespace layerkit
