#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/listing.h"
#include "layerkit/base/entry.h"

namespace layerkit::cli {

/// A file name for JSON: as it is where it is UTF-8, else escaped() of base/text.h.
std::string name_text(const std::string& name);

/// An object of an image as the fields of a listing: Path, Type, Mode, UID, GID, Size, ModifiedAt,
/// Target, Device.
nlohmann::ordered_json object_row(const Entry& entry, bool human);
const ListingStyle& object_listing();

/// One line of `ls -l`: mode, owner, size or device number, time, name.
using LongLine = std::vector<std::string>;
LongLine long_line(const std::string& name, const Entry& entry, bool human);
/// The lines with their columns aligned; sizes to the right.
std::string align_long_lines(const std::vector<LongLine>& lines);

}  // namespace layerkit::cli
