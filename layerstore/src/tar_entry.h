#pragma once

#include <optional>

#include "layerkit/base/entry.h"
#include "layerkit/layerstore/tar.h"
#include "tar_header.h"
#include "tar_pax.h"

namespace layerkit {

/// True for the type flags whose header is followed by the contents of a file.
bool is_tar_file_type(char type) noexcept;

/// What the header and its PAX records say, names taken as they are. `size` is left 0: what is
/// stored need not be what the file has. Throws Error{Invalid} or Error{Limit}.
Entry make_tar_entry(const TarHeader& header,
                     const PaxValues& pax,
                     TarNames names,
                     const TarLimits& limits);

/// The entry as a layer means it: `.wh.` names become whiteouts and opaque markers; nullopt for
/// AUFS metadata but the files that hard links may name. Throws Error{Invalid} for what no layer
/// can mean.
std::optional<Entry> as_layer_entry(Entry entry);

/// Throws Error{Limit} when a file system could not hold the path.
void check_path_limits(const RelPath& path, const TarLimits& limits);

}  // namespace layerkit
