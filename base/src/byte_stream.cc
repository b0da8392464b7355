#include "layerkit/base/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kChunk = std::size_t{256} * 1024;
/// For what is kept as a whole: most such files are far smaller.
constexpr std::size_t kSmallChunk = std::size_t{16} * 1024;

template <typename Read>
std::size_t retry_interrupted(const std::string& name, Read&& read) {
  for (;;) {
    const ssize_t got = read();
    if (got >= 0) return static_cast<std::size_t>(got);
    const int err = errno;
    if (err != EINTR) fail_errno(err, "reading {}", quoted(name));
  }
}

/// Calls `use` with each chunk until the source ends.
template <typename Use>
std::uint64_t for_each_chunk(ByteSource& source, std::size_t chunk, Use&& use) {
  std::vector<std::byte> buffer(chunk);
  std::uint64_t total = 0;
  while (const std::size_t got = source.read(buffer)) {
    use(std::span<const std::byte>(buffer.data(), got));
    total += got;
  }
  return total;
}

}  // namespace

std::size_t read_full(ByteSource& source, std::span<std::byte> buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const std::size_t got = source.read(buffer.subspan(filled));
    if (got == 0) break;
    filled += got;
  }
  return filled;
}

std::uint64_t copy_bytes(ByteSource& from, ByteSink& to) {
  return for_each_chunk(from, kChunk, [&to](std::span<const std::byte> chunk) { to.write(chunk); });
}

std::uint64_t ByteSource::skip(std::uint64_t count) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(count, kChunk));
  std::uint64_t done = 0;
  while (done < count) {
    const std::size_t got =
        read(std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), count - done)));
    if (got == 0) break;
    done += got;
  }
  return done;
}

std::uint64_t drain(ByteSource& source) {
  return for_each_chunk(source, kChunk, [](std::span<const std::byte>) {});
}

std::string read_all(ByteSource& source, std::size_t max_bytes, std::string_view what) {
  std::string bytes;
  MemorySink sink(bytes);
  for_each_chunk(source, kSmallChunk, [&](std::span<const std::byte> chunk) {
    if (chunk.size() > max_bytes - bytes.size()) {
      fail(Errc::Limit, "reading {}: it is larger than {} bytes", quoted(what), max_bytes);
    }
    sink.write(chunk);
  });
  return bytes;
}

std::size_t MemorySource::read(std::span<std::byte> buffer) {
  const std::size_t count = std::min(buffer.size(), rest_.size());
  if (count > 0) std::memcpy(buffer.data(), rest_.data(), count);
  rest_.remove_prefix(count);
  return count;
}

void MemorySink::write(std::span<const std::byte> bytes) {
  const std::size_t old_size = bytes_.size();
  bytes_.resize(old_size + bytes.size());
  if (!bytes.empty()) std::memcpy(bytes_.data() + old_size, bytes.data(), bytes.size());
}

std::size_t FdSource::read(std::span<std::byte> buffer) {
  return retry_interrupted(name_, [&] { return ::read(fd_, buffer.data(), buffer.size()); });
}

std::size_t FileRangeSource::read(std::span<std::byte> buffer) {
  const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), left_);
  if (wanted == 0) return 0;
  const std::size_t got = retry_interrupted(
      name_, [&] { return ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(offset_)); });
  if (got == 0) {
    fail(Errc::Integrity, "reading {}: it ends {} bytes too early", quoted(name_), left_);
  }
  offset_ += got;
  left_ -= got;
  return got;
}

std::uint64_t FileRangeSource::skip(std::uint64_t count) {
  const std::uint64_t done = std::min(count, left_);
  offset_ += done;
  left_ -= done;
  return done;
}

void FdSink::write(std::span<const std::byte> bytes) {
  std::string_view rest(static_cast<const char*>(static_cast<const void*>(bytes.data())),
                        bytes.size());
  write_all(fd_, rest, name_);
}

}  // namespace layerkit
