#include "layerkit/base/interruptible_source.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

void copy_layer(LayerReader& from, LayerWriter& to, const Context& context) {
  while (const auto entry = from.next()) {
    context.check_interrupted();
    InterruptibleSource contents(from.contents(), context);
    to.add(*entry, contents);
  }
  to.finish();
}

}  // namespace layerkit
