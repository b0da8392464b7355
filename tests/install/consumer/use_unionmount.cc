#include <layerkit/base/error.h>
#include <layerkit/unionmount/mounter.h>

#include <cstdio>

int main() {
  try {
    layerkit::make_overlay_mounter()->mount(layerkit::UnionSpec{});
  } catch (const layerkit::Error& error) {
    return error.code() == layerkit::Errc::Invalid && !layerkit::is_mount_point("/proc/self") ? 0
                                                                                              : 1;
  }
  std::puts("a union of nothing was mounted");
  return 1;
}
