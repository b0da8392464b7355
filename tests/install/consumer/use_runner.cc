#include <layerkit/base/error.h>
#include <layerkit/runner/container.h>

#include <cstdio>

int main() {
  layerkit::ContainerSpec spec;
  spec.id = "../not an id";
  try {
    layerkit::start_container(std::move(spec), layerkit::Fd(), nullptr, layerkit::Context{});
  } catch (const layerkit::Error& error) {
    return error.code() == layerkit::Errc::Invalid ? 0 : 1;
  }
  std::puts("a container without a name was started");
  return 1;
}
