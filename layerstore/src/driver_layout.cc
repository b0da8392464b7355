#include "driver_layout.h"

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "store_layout.h"

namespace layerkit {

std::string_view driver_name(StoreDriver driver) noexcept {
  return driver == StoreDriver::Aufs ? "aufs" : "overlay2";
}

StoreDriver parse_driver(std::string_view name) {
  for (const StoreDriver driver : {StoreDriver::Overlay2, StoreDriver::Aufs}) {
    if (driver_name(driver) == name) return driver;
  }
  fail(Errc::Invalid, "{} is not a storage driver: there are overlay2 and aufs", quoted(name));
}

DiffFormat diff_format(StoreDriver driver) noexcept {
  return driver == StoreDriver::Aufs ? DiffFormat::aufs() : DiffFormat::overlay();
}

std::unique_ptr<const DriverLayout> make_driver_layout(StoreDriver driver, int root) {
  return driver == StoreDriver::Aufs ? make_aufs_layout(root) : make_overlay_layout(root);
}

std::string records_place(StoreDriver driver, const std::string& name) {
  if (driver == StoreDriver::Overlay2) return fmt::format("{}/{}", store_file::kOverlay, name);
  return fmt::format("{}/{}/{}", store_file::kAufs, store_file::kRecords, name);
}

void make_driver_directories(StoreDriver driver, int root) {
  driver == StoreDriver::Aufs ? make_aufs_directories(root) : make_overlay_directories(root);
}

std::optional<StoreDriver> find_driver(int root) {
  const bool overlay = stat_at(root, store_file::kOverlay).has_value();
  const bool aufs = stat_at(root, store_file::kAufs).has_value();
  if (overlay && aufs) {
    fail(Errc::Integrity, "it has directories of two storage drivers, {} and {}",
         quoted(store_file::kOverlay), quoted(store_file::kAufs));
  }
  if (aufs) return StoreDriver::Aufs;
  return overlay ? std::optional(StoreDriver::Overlay2) : std::nullopt;
}

}  // namespace layerkit
