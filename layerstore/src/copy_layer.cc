#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

void copy_layer(LayerReader& from, LayerWriter& to, const Context& context) {
  while (const auto entry = from.next()) {
    context.check_interrupted();
    to.add(*entry, from.contents());
  }
  to.finish();
}

}  // namespace layerkit
