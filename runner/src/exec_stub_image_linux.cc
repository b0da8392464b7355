#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <string_view>

#include "exec_stub_image.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

// The linked stub as bytes of this library. The path comes from CMake.
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".global layerkit_exec_stub_begin\n"
    ".hidden layerkit_exec_stub_begin\n"
    "layerkit_exec_stub_begin:\n"
    ".incbin \"" LAYERKIT_EXEC_STUB
    "\"\n"
    ".global layerkit_exec_stub_end\n"
    ".hidden layerkit_exec_stub_end\n"
    "layerkit_exec_stub_end:\n"
    ".byte 0\n"
    ".popsection\n");

// Symbols of the assembly above.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
[[gnu::visibility("hidden")]] extern const char layerkit_exec_stub_begin[];
[[gnu::visibility("hidden")]] extern const char layerkit_exec_stub_end[];
// NOLINTEND(readability-identifier-naming)
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace layerkit::runner {

Fd open_exec_stub() {
  constexpr const char* kName = "layerkit-exec";
  Fd stub(::memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  // Kernels before 6.3 do not know MFD_EXEC; their memfds are executable.
  if (!stub && errno == EINVAL) stub = Fd(::memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!stub) fail_errno(errno, "creating the exec stub");
  write_all(
      stub.get(),
      std::string_view(layerkit_exec_stub_begin,
                       static_cast<std::size_t>(layerkit_exec_stub_end - layerkit_exec_stub_begin)),
      "the exec stub");
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(stub.get(), F_ADD_SEALS, kSeals) != 0) fail_errno(errno, "sealing the exec stub");
  return stub;
}

}  // namespace layerkit::runner
