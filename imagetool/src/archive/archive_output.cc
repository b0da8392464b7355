#include "archive/archive_output.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {

void add_text(ArchiveOutput& output, const std::string& name, const std::string& text) {
  output.add(name, text.size(), [&](ByteSink& sink) { sink.write(as_bytes(text)); });
}

void SizedSink::write(std::span<const std::byte> bytes) {
  context_.check_interrupted();
  if (bytes.size() > size_ - written_) {
    fail(Errc::Integrity, "writing {}: it has more than {} bytes", quoted(name_), size_);
  }
  inner_.write(bytes);
  written_ += bytes.size();
  context_.progress(name_, written_, size_);
}

void SizedSink::finish() const {
  if (written_ == size_) return;
  fail(Errc::Integrity, "writing {}: it has {} bytes, not {}", quoted(name_), written_, size_);
}

}  // namespace layerkit
