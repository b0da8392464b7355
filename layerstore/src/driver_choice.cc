#include "driver_choice.h"

#include "layerkit/base/error.h"
#include "staging.h"

namespace layerkit {
namespace {

/// What is wrong with overlay2, tried in a directory of its own.
std::optional<std::string> overlay_problem(int staging, const OverlayProbe& probe) {
  if (!probe) return std::nullopt;
  const StagingDir scratch(staging);
  return probe(scratch.fd());
}

}  // namespace

StoreDriver choose_driver(int staging,
                          const std::optional<StoreDriver>& wanted,
                          const OverlayProbe& probe) {
  if (wanted) return *wanted;
  return overlay_problem(staging, probe) ? StoreDriver::Aufs : StoreDriver::Overlay2;
}

DriverInfo explain_driver(const StoreDirs& dirs, const OverlayProbe& probe) {
  const StoreDriver driver = dirs.layout().driver();
  const auto problem = overlay_problem(dirs.staging(), probe);
  if (driver == StoreDriver::Aufs) {
    return {driver,
            problem ? "overlay2 does not work here: " + *problem
                    : "the store was made with it; overlay2 would work, too",
            problem};
  }
  return {driver,
          problem ? "the store was made with it; it does not work here: " + *problem
                  : "the kernel and the file system carry it",
          problem};
}

}  // namespace layerkit
