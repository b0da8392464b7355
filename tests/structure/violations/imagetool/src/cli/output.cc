#include "layerkit/runner/container.h"
void f() { fmt::print("text"); }
