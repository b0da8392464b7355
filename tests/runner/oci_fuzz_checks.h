#pragma once

#include <string_view>

namespace layerkit::testing {

// Whatever the text: it is refused by one error that is fit to print, or what it says is whole,
// means something, and can be planned. Otherwise the program ends. Nothing outside the process is
// touched, but for detached mounts where the caller may make them.

/// How far a document came.
enum class Came { ToReading, ToChecks, ToPlanning, Through };

/// As a bundle's config.json, on its way to `create`.
Came check_config_document(std::string_view text);
/// As a process.json, on its way to `exec`.
Came check_process_document(std::string_view text);

}  // namespace layerkit::testing
