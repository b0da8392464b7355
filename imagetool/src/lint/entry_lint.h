#pragma once

#include "layerkit/base/entry.h"
#include "layerkit/layerstore/tar.h"
#include "lint/lint_report.h"

namespace layerkit::lint {

/// What can be said of an entry by itself. `entry` is read in TarDialect::Literal, `names` are how
/// the tar spells its paths.
void lint_entry(const Entry& entry, const TarNames& names, Report& report);

/// Whether the name, or one above it, is AUFS's own: `.wh..wh.*` but the opaque marker.
bool is_aufs_metadata(const RelPath& path);

}  // namespace layerkit::lint
