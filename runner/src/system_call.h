#pragma once

#include <sys/syscall.h>

namespace layerkit::runner {

// A system call by itself: no errno, no cancellation. The result is negative where it failed.
#if defined(__x86_64__)
inline long system_call(long number, long a, long b, long c, long d) noexcept {
  long result = number;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long system_call(long number, long a, long b, long c, long d) noexcept {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "the system calls of x86-64 and AArch64 only are known"
#endif

inline long address(const void* pointer) noexcept {
  return reinterpret_cast<long>(pointer);
}

}  // namespace layerkit::runner
