#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {
namespace {

/// Contents that can be long: whoever waits may stop in the middle.
class InterruptibleSource final : public ByteSource {
 public:
  InterruptibleSource(ByteSource& inner, const Context& context)
      : inner_(inner), context_(context) {}

  std::size_t read(std::span<std::byte> buffer) override {
    context_.check_interrupted();
    return inner_.read(buffer);
  }

 private:
  ByteSource& inner_;
  const Context& context_;
};

}  // namespace

void copy_layer(LayerReader& from, LayerWriter& to, const Context& context) {
  while (const auto entry = from.next()) {
    context.check_interrupted();
    InterruptibleSource contents(from.contents(), context);
    to.add(*entry, contents);
  }
  to.finish();
}

}  // namespace layerkit
