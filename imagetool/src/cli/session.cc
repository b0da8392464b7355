#include "cli/session.h"

#include <cerrno>

#include "cli/output.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit::cli {

ImageStore& Session::store() {
  if (!store_) {
    if (!driver.empty()) store_options.driver = parse_driver(driver);
    store_ = ImageStore::open(root, store_options);
    store_->set_users(
        [&images = *store_](const ImageId& image) { return users_of_image(images, image); });
  }
  return *store_;
}

void Session::report(const Error& error) {
  print_error(error.message());
  exit_code = 1;
}

void Session::attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.code() == Errc::Interrupted || error.sys_errno() == EPIPE) throw;
    report(error);
  }
}

}  // namespace layerkit::cli
