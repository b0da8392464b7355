#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"

namespace layerkit {

/// Passes bytes through, reports how many went by and stops when the user asks to.
class ProgressSource final : public ByteSource {
 public:
  /// `inner` and `context` must outlive it. `total` 0: not known.
  ProgressSource(ByteSource& inner, std::string what, std::uint64_t total, const Context& context)
      : inner_(inner), what_(std::move(what)), total_(total), context_(context) {}

  std::size_t read(std::span<std::byte> buffer) override {
    context_.check_interrupted();
    const std::size_t got = inner_.read(buffer);
    done_ += got;
    context_.progress(what_, done_, total_);
    return got;
  }

  std::uint64_t skip(std::uint64_t count) override {
    context_.check_interrupted();
    const std::uint64_t passed = inner_.skip(count);
    done_ += passed;
    context_.progress(what_, done_, total_);
    return passed;
  }

 private:
  ByteSource& inner_;
  std::string what_;
  std::uint64_t total_;
  const Context& context_;
  std::uint64_t done_ = 0;
};

}  // namespace layerkit
