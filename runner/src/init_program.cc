#include "layerkit/runner/init_program.h"

// The linked program as bytes of this library. The path comes from CMake.
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".global layerkit_init_begin\n"
    ".hidden layerkit_init_begin\n"
    "layerkit_init_begin:\n"
    ".incbin \"" LAYERKIT_INIT
    "\"\n"
    ".global layerkit_init_end\n"
    ".hidden layerkit_init_end\n"
    "layerkit_init_end:\n"
    ".byte 0\n"
    ".popsection\n");

// Symbols of the assembly above.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
[[gnu::visibility("hidden")]] extern const char layerkit_init_begin[];
[[gnu::visibility("hidden")]] extern const char layerkit_init_end[];
// NOLINTEND(readability-identifier-naming)
}

namespace layerkit {

std::string_view init_program() noexcept {
  return {layerkit_init_begin, static_cast<std::size_t>(layerkit_init_end - layerkit_init_begin)};
}

}  // namespace layerkit
