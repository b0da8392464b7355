#include "cli/session.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "cli/output.h"
#include "layerkit/base/text.h"
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

bool Session::has_store() const {
  std::error_code error;
  const std::filesystem::directory_iterator entries(root, error);
  // Whoever may not look at it, or finds something else there, is told so by `store`.
  if (error) return error != std::errc::no_such_file_or_directory;
  return entries != std::filesystem::directory_iterator();
}

ImageStore& Session::store_with(std::string_view kind, const std::string& name) {
  if (!has_store()) fail(Errc::NotFound, "No such {}: {}", kind, escaped(name));
  return store();
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
