#include <layerkit/base/error.h>
#include <layerkit/imagetool/archive.h>
#include <layerkit/imagetool/image.h>
#include <layerkit/imagetool/image_store.h>

#include <cstdio>

int main() {
  try {
    const auto name = layerkit::ImageName::parse("docker.io/library/debian");
    const auto image = layerkit::Image::parse(R"({"architecture":"amd64","os":"linux","config":{},)"
                                              R"("rootfs":{"type":"layers","diff_ids":[]}})");
    return name.str() == "debian:latest" && image.diff_ids().empty() ? 0 : 1;
  } catch (const layerkit::Error& error) {
    std::puts(error.what());
    return 1;
  }
}
