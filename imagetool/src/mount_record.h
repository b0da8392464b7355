#pragma once

#include <string>
#include <string_view>

#include "layerkit/imagetool/mount_table.h"

namespace layerkit {

// The files in mounts/: docs/formats/store.md, "Mounts".

inline constexpr char kMountsDir[] = "mounts";
inline constexpr char kMountsLock[] = ".lock";
inline constexpr std::string_view kMountSuffix = ".json";
inline constexpr std::size_t kMaxMountRecordBytes = 1 << 20;

std::string format_mount_record(const MountRecord& record);
/// `key` is the file's name without suffix. Throws Error{Invalid} for damage.
MountRecord parse_mount_record(std::string key, std::string_view text);

/// Whether the mount that the record is about is still there.
bool is_mounted(const MountRecord& record);

}  // namespace layerkit
