#include <fcntl.h>
#include <layerkit/base/error.h>
#include <layerkit/base/file.h>
#include <layerkit/layerstore/store.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main() {
  std::string root = "/tmp/layerkit-consumer-XXXXXX";
  if (::mkdtemp(root.data()) == nullptr) return 1;
  int code = 1;
  try {
    code = layerkit::open_store(root)->layers().empty() ? 0 : 1;
  } catch (const layerkit::Error& error) {
    std::puts(error.what());
  }
  layerkit::remove_tree_at(AT_FDCWD, root);
  return code;
}
