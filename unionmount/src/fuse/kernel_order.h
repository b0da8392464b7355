#pragma once

#if defined(__SANITIZE_THREAD__)
#define LAYERKIT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LAYERKIT_THREAD_SANITIZER 1
#endif
#endif

#ifdef LAYERKIT_THREAD_SANITIZER
extern "C" {
void __tsan_acquire(void*);  // NOLINT(bugprone-reserved-identifier): the sanitizer's own
void __tsan_release(void*);  // NOLINT(bugprone-reserved-identifier)
}
#endif

namespace layerkit {

// What a thread did before it answered a request comes before all that is done for requests read
// later: the kernel sees to that, and ThreadSanitizer does not see it.

inline char kernel_order = 0;

inline void before_reply() noexcept {
#ifdef LAYERKIT_THREAD_SANITIZER
  __tsan_release(&kernel_order);
#endif
}
inline void after_request() noexcept {
#ifdef LAYERKIT_THREAD_SANITIZER
  __tsan_acquire(&kernel_order);
#endif
}

}  // namespace layerkit
