#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace layerkit {

/// What a caller may branch on. Everything else is in the message.
enum class Errc {
  Invalid,      ///< the input is malformed, hostile or contradicts itself
  NotFound,     ///< the named object does not exist
  Exists,       ///< the named object exists already
  Busy,         ///< the object is in use (mounted, running, locked)
  Limit,        ///< a documented bound was exceeded
  Integrity,    ///< bytes do not match their digest or size
  Unsupported,  ///< valid, but this kernel, file system or build cannot do it
  Interrupted,  ///< the caller asked to stop
  Io,           ///< a system call failed; `sys_errno()` says how
};

/// The only exception type of Layerkit.
///
/// The message reads `gerund + quoted object: reason`; callers on the way up put their own context
/// in front: `importing layer 2/5 (sha256:…): opening 'etc/passwd': No space left on device`.
class Error : public std::exception {
 public:
  Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}
  /// An error as another process had it: all of its parts.
  Error(Errc code, int sys_errno, std::string message)
      : code_(code), sys_errno_(sys_errno), message_(std::move(message)) {}

  /// An Io error (or the closer code for ENOENT, EEXIST, EBUSY) whose reason is
  /// strerror(sys_errno).
  static Error from_errno(int sys_errno, std::string_view doing);

  Errc code() const noexcept { return code_; }
  /// 0 when the error did not come from a system call.
  int sys_errno() const noexcept { return sys_errno_; }
  const std::string& message() const noexcept { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts `context + ": "` in front of the message.
  void add_context(std::string_view context);

 private:
  Errc code_;
  int sys_errno_ = 0;
  std::string message_;
};

/// The text of an errno value, the same in every locale. Thread-safe.
std::string errno_text(int sys_errno);

/// Throws Error{code} with a formatted message.
template <typename... Args>
[[noreturn]] void fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error::from_errno for `sys_errno` (pass a value captured right after the failed call).
template <typename... Args>
[[noreturn]] void fail_errno(int sys_errno, fmt::format_string<Args...> format, Args&&... args) {
  throw Error::from_errno(sys_errno, fmt::format(format, std::forward<Args>(args)...));
}

/// Runs `work`; an Error that leaves it gets the text of `context()` in front.
/// `context` is called only on failure, so it may be costly.
template <typename Context, typename Work>
decltype(auto) with_context(Context&& context, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (Error& error) {
    error.add_context(std::forward<Context>(context)());
    throw;
  }
}

}  // namespace layerkit
