#pragma once

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit::testing {

/// Builds ustar archives byte by byte, also such as no honest tool writes.
class TarBuilder {
 public:
  TarBuilder& file(std::string_view name, std::string_view bytes) {
    return member(name, '0', bytes, {});
  }
  TarBuilder& directory(std::string_view name) { return member(name, '5', {}, {}); }
  TarBuilder& symlink(std::string_view name, std::string_view target) {
    return member(name, '2', {}, target);
  }
  TarBuilder& hard_link(std::string_view name, std::string_view target) {
    return member(name, '1', {}, target);
  }
  TarBuilder& member(std::string_view name,
                     char type,
                     std::string_view bytes,
                     std::string_view target) {
    header(name, type, bytes.size(), target);
    tar_ += bytes;
    pad();
    return *this;
  }
  /// A GNU old-style sparse file: `size` bytes of which only the first block is stored.
  TarBuilder& sparse_file(std::string_view name, std::uint64_t size) {
    constexpr std::uint64_t kStored = 512;
    header(name, 'S', kStored, {}, [&](std::array<char, 512>& block) {
      std::memcpy(block.data() + 257, "ustar  ", 8);
      put(block, 386, fmt::format("{:011o}", 0));
      put(block, 398, fmt::format("{:011o}", kStored));
      put(block, 410, fmt::format("{:011o}", size));
      put(block, 422, fmt::format("{:011o}", 0));
      put(block, 483, fmt::format("{:011o}", size));
    });
    tar_ += std::string(kStored, 'x');
    return *this;
  }

  std::string finish() const { return tar_ + std::string(1024, '\0'); }

 private:
  static void put(std::array<char, 512>& block, std::size_t offset, std::string_view text) {
    text.copy(block.data() + offset, text.size());
  }

  template <typename Change = void (*)(std::array<char, 512>&)>
  void header(
      std::string_view name,
      char type,
      std::uint64_t size,
      std::string_view target,
      Change change = [](std::array<char, 512>&) {}) {
    std::array<char, 512> block{};
    put(block, 0, name);
    put(block, 100, type == '5' ? "0000755" : "0000644");
    put(block, 108, "0000000");
    put(block, 116, "0000000");
    put(block, 124, fmt::format("{:011o}", size));
    put(block, 136, "00000000000");
    block[156] = type;
    put(block, 157, target);
    put(block, 257, std::string_view("ustar\00000", 8));
    change(block);
    put(block, 148, "        ");
    unsigned sum = 0;
    for (const char byte : block)
      sum += static_cast<unsigned char>(byte);
    put(block, 148, fmt::format("{:06o}", sum));
    block[154] = '\0';
    tar_.append(block.data(), block.size());
  }

  void pad() { tar_.resize((tar_.size() + 511) / 512 * 512); }

  std::string tar_;
};

inline std::string sha256(std::string_view bytes) {
  return Sha256::of(bytes).str();
}
inline std::string hex_of(std::string_view bytes) {
  return Sha256::of(bytes).hex();
}
inline std::string blob_name(std::string_view bytes) {
  return "blobs/sha256/" + hex_of(bytes);
}

inline std::string compressed(std::string_view bytes, Compression to) {
  std::string out;
  MemorySink sink(out);
  const auto compressing = make_compressing_sink(sink, to);
  compressing->write(as_bytes(bytes));
  compressing->finish();
  return out;
}

/// A layer tar with one file.
inline std::string layer_tar(std::string_view name, std::string_view contents) {
  return TarBuilder().file(name, contents).finish();
}

/// An image config for layers with these uncompressed tars.
inline std::string image_config(
    const std::vector<std::string>& layer_tars,
    std::string_view platform = R"("architecture":"amd64","os":"linux")",
    std::string_view comment = "") {
  std::string diff_ids;
  for (const std::string& tar : layer_tars) {
    diff_ids += fmt::format("{}\"{}\"", diff_ids.empty() ? "" : ",", sha256(tar));
  }
  return fmt::format(R"({{{},"comment":"{}","rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                     platform, comment, diff_ids);
}

}  // namespace layerkit::testing
