#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace layerkit {

/// A stream of bytes to read. Not thread-safe.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  /// Fills the front of `buffer`; returns how many bytes, 0 only at the end of the stream.
  /// REQUIRES: buffer is not empty. Throws Error on failure; the stream is unusable afterwards.
  virtual std::size_t read(std::span<std::byte> buffer) = 0;
  /// Passes over `count` bytes; returns how many, fewer only where the stream ends. A source that
  /// can do so does not look at them: what they are is not verified then.
  virtual std::uint64_t skip(std::uint64_t count);
};

/// A stream of bytes to write. Not thread-safe.
class ByteSink {
 public:
  ByteSink() = default;
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;
  virtual ~ByteSink() = default;

  /// Takes all of `bytes` or throws.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

/// Fills `buffer` completely unless the stream ends before; returns how many bytes it got.
std::size_t read_full(ByteSource& source, std::span<std::byte> buffer);
/// Copies until `from` ends; returns the number of bytes.
std::uint64_t copy_bytes(ByteSource& from, ByteSink& to);
/// Reads to the end and throws the bytes away; returns their number.
std::uint64_t drain(ByteSource& source);
/// All remaining bytes. Throws Error{Limit} that names `what` when there are more than `max_bytes`.
std::string read_all(ByteSource& source, std::size_t max_bytes, std::string_view what);

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Reads a string that outlives it.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  std::string_view rest_;
};

/// Appends to a string that outlives it.
class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::string& bytes) : bytes_(bytes) {}
  void write(std::span<const std::byte> bytes) override;

 private:
  std::string& bytes_;
};

/// Reads a descriptor from its current offset (files, pipes). Does not own it.
class FdSource final : public ByteSource {
 public:
  /// `name` appears in errors.
  FdSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  int fd_;
  std::string name_;
};

/// Reads `[offset, offset + size)` of a seekable file by pread: several may share one descriptor.
/// A file that ends before is Error{Integrity}. Does not own the descriptor.
class FileRangeSource final : public ByteSource {
 public:
  FileRangeSource(int fd, std::uint64_t offset, std::uint64_t size, std::string name)
      : fd_(fd), offset_(offset), left_(size), name_(std::move(name)) {}
  std::size_t read(std::span<std::byte> buffer) override;
  std::uint64_t skip(std::uint64_t count) override;

 private:
  int fd_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::string name_;
};

/// Writes to a descriptor at its current offset. Does not own it, does not sync it.
class FdSink final : public ByteSink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(std::span<const std::byte> bytes) override;

 private:
  int fd_;
  std::string name_;
};

}  // namespace layerkit
