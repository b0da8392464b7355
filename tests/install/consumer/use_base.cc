#include <layerkit/base/digest.h>
#include <layerkit/base/error.h>
#include <layerkit/base/rel_path.h>

#include <cstdio>

int main() {
  try {
    layerkit::RelPath::parse("../outside");
  } catch (const layerkit::Error& error) {
    const bool empty_hash = layerkit::Sha256::of("").hex().substr(0, 8) == "e3b0c442";
    return error.code() == layerkit::Errc::Invalid && empty_hash ? 0 : 1;
  }
  std::puts("a path that leaves the root was taken");
  return 1;
}
