#include <gtest/gtest.h>
void f() {
  mounter.mount(spec);
  layerkit::open(path);
  fail("umount2(%s) printf(");
  ::mount("a", "b", "c", 0, nullptr);
  syscall(1);
  std::cout << "text";
  fprintf(stderr, "text");
  snprintf(buffer, size, "text");
}
