#include "layerkit/base/context.h"

#include "layerkit/base/error.h"

namespace layerkit {

void Context::check_interrupted() const {
  if (interrupted != nullptr && interrupted->load(std::memory_order_relaxed)) {
    throw Error(Errc::Interrupted, "interrupted");
  }
}

}  // namespace layerkit
