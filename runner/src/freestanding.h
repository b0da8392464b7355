#pragma once

#include <stddef.h>

#include "system_call.h"

// What the programs that run inside containers have instead of a C library. They are linked from
// one source file each, which defines freestanding_main(): its argument is the stack as the kernel
// has filled it, argc first.

extern "C" [[noreturn]] void freestanding_main(long* stack) noexcept;

#if defined(__x86_64__)
__asm__(
    ".global _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call freestanding_main\n"
    "  ud2\n");
#elif defined(__aarch64__)
__asm__(
    ".global _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  bl freestanding_main\n"
    "  brk #0\n");
#endif

// The compiler may call these for copies and fills of its own.
extern "C" void* memset(void* target, int value, size_t size) noexcept {
  auto* bytes = static_cast<volatile unsigned char*>(target);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<unsigned char>(value);
  return target;
}
extern "C" void* memcpy(void* target, const void* source, size_t size) noexcept {
  auto* to = static_cast<volatile unsigned char*>(target);
  const auto* from = static_cast<const unsigned char*>(source);
  for (size_t i = 0; i < size; ++i)
    to[i] = from[i];
  return target;
}

namespace layerkit::runner {

inline size_t length(const char* text) noexcept {
  size_t size = 0;
  while (text[size] != '\0')
    ++size;
  return size;
}

}  // namespace layerkit::runner
