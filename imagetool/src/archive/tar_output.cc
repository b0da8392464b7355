#include <algorithm>
#include <array>
#include <cstring>

#include "archive/archive_output.h"
#include "archive/output_file.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kBlock = 512;
/// What eleven octal digits hold; larger sizes need a PAX record.
constexpr std::uint64_t kMaxUstarSize = 077777777777;

using Block = std::array<char, kBlock>;

void put_text(Block& block, std::size_t offset, std::string_view text) {
  std::memcpy(block.data() + offset, text.data(), text.size());
}

/// Octal digits and a NUL in a field of `width` bytes.
void put_octal(Block& block, std::size_t offset, std::size_t width, std::uint64_t value) {
  put_text(block, offset, fmt::format("{:0{}o}", value, width - 1));
}

/// A ustar header (POSIX.1-1988) that says nothing about who wrote it and when.
Block make_header(std::string_view name, char type, std::uint64_t size) {
  Block block{};
  put_text(block, 0, name);
  put_octal(block, 100, 8, 0644);
  put_octal(block, 108, 8, 0);  // uid
  put_octal(block, 116, 8, 0);  // gid
  put_octal(block, 124, 12, std::min(size, kMaxUstarSize));
  put_octal(block, 136, 12, 0);  // mtime
  block[156] = type;
  put_text(block, 257,
           std::string_view("ustar\0"
                            "00",
                            8));
  put_octal(block, 329, 8, 0);  // device
  put_octal(block, 337, 8, 0);
  put_text(block, 148, "        ");
  std::uint64_t sum = 0;
  for (const char byte : block)
    sum += static_cast<unsigned char>(byte);
  put_text(block, 148, fmt::format("{:06o}", sum));
  block[154] = '\0';
  return block;
}

/// "30 size=12345678901\n": the length counts itself.
std::string pax_size_record(std::uint64_t size) {
  const std::string rest = fmt::format(" size={}\n", size);
  const std::size_t length = rest.size() + 2;  // two digits: the record is 16 to 30 bytes long
  return std::to_string(length) + rest;
}

class TarOutput final : public ArchiveOutput {
 public:
  TarOutput(const std::string& path, const Context& context)
      : file_(path), sink_(file_.fd(), file_.name()), context_(context) {}

  void add(const std::string& name, std::uint64_t size, const Producer& produce) override {
    if (size > kMaxUstarSize) {
      const std::string record = pax_size_record(size);
      write_header("pax/" + name.substr(0, 64), 'x', record.size());
      sink_.write(as_bytes(record));
      write_padding(record.size());
    }
    write_header(name, '0', size);
    SizedSink sized(sink_, name, size, context_);
    produce(sized);
    sized.finish();
    write_padding(size);
  }

  void finish() override {
    const std::array<std::byte, 2 * kBlock> end{};
    sink_.write(end);
    file_.commit();
  }

 private:
  void write_header(const std::string& name, char type, std::uint64_t size) {
    const Block block = make_header(name, type, size);
    sink_.write(as_bytes({block.data(), block.size()}));
  }

  void write_padding(std::uint64_t size) {
    const std::array<std::byte, kBlock> zeros{};
    sink_.write(std::span(zeros).first((kBlock - size % kBlock) % kBlock));
  }

  OutputFile file_;
  FdSink sink_;
  const Context& context_;
};

}  // namespace

std::unique_ptr<ArchiveOutput> make_tar_output(const std::string& path, const Context& context) {
  return std::make_unique<TarOutput>(path, context);
}

}  // namespace layerkit
