#include <layerkit/unionmount/mounter.h>
#include "layerkit/base/fd.h"
#include "private.h"
// Calls umount2(2) and std::cout only in a comment: nothing wrong.
