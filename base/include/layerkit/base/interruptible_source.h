#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"

namespace layerkit {

/// Passes bytes on until somebody wants to stop: Error{Interrupted} then. Not thread-safe.
class InterruptibleSource final : public ByteSource {
 public:
  /// Both must outlive it.
  InterruptibleSource(ByteSource& inner, const Context& context)
      : inner_(inner), context_(context) {}

  std::size_t read(std::span<std::byte> buffer) override {
    context_.check_interrupted();
    return inner_.read(buffer);
  }
  std::uint64_t skip(std::uint64_t count) override {
    context_.check_interrupted();
    return inner_.skip(count);
  }

 private:
  ByteSource& inner_;
  const Context& context_;
};

}  // namespace layerkit
