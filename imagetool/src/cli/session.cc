#include "cli/session.h"

#include "cli/output.h"

namespace layerkit::cli {

ImageStore& Session::store() {
  if (!store_) store_ = ImageStore::open(root);
  return *store_;
}

void Session::report(const Error& error) {
  print_error(error.message());
  exit_code = 1;
}

}  // namespace layerkit::cli
