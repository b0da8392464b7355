#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

/// For which union file system a store keeps its layers, in docker's words. A store has one driver
/// for its whole life.
enum class StoreDriver { Overlay2, Aufs };

/// "overlay2", "aufs".
std::string_view driver_name(StoreDriver driver) noexcept;
/// Throws Error{Invalid} for other names.
StoreDriver parse_driver(std::string_view name);
/// How diff directories of the store are written.
DiffFormat diff_format(StoreDriver driver) noexcept;

/// Tries in an empty directory of the store's file system whether overlay2 works there. Says what
/// does not, or nullopt. May leave things in the directory, but no mounts.
using OverlayProbe = std::function<std::optional<std::string>(int scratch_fd)>;

/// A store's driver and, in words for the user, why it is this one.
struct DriverInfo {
  StoreDriver driver = StoreDriver::Overlay2;
  std::string reason;
  std::optional<std::string> overlay_problem;  ///< what the probe says
};

}  // namespace layerkit
