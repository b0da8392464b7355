#include "cli/object_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layerkit/base/text.h"
#include "layerkit/imagetool/tree_path.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

bool is_device(const Entry& entry) {
  return entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice;
}

std::string size_text(const Entry& entry, bool human) {
  return human ? human_size(entry.size) : std::to_string(entry.size);
}

std::string device_text(const Entry& entry) {
  return is_device(entry) ? fmt::format("{}, {}", entry.device_major, entry.device_minor) : "";
}

}  // namespace

std::string name_text(const std::string& name) {
  try {
    static_cast<void>(nlohmann::json(name).dump());
    return name;
  } catch (const nlohmann::json::type_error&) {
    return escaped(name);
  }
}

nlohmann::ordered_json object_row(const Entry& entry, bool human) {
  return {{"Path", name_text(entry.path.absolute())},
          {"Type", type_text(entry.type)},
          {"Mode", fmt::format("{:04o}", entry.mode)},
          {"UID", std::to_string(entry.uid)},
          {"GID", std::to_string(entry.gid)},
          {"Size", size_text(entry, human)},
          {"ModifiedAt", format_rfc3339(entry.mtime)},
          {"Target", name_text(entry.symlink_target)},
          {"Device", device_text(entry)}};
}

const ListingStyle& object_listing() {
  static const ListingStyle kStyle{
      {{"Path", "PATH"},
       {"Type", "TYPE"},
       {"Mode", "MODE"},
       {"UID", "UID"},
       {"GID", "GID"},
       {"Size", "SIZE"},
       {"ModifiedAt", "MODIFIED AT"},
       {"Target", "TARGET"},
       {"Device", "DEVICE"}},
      "{{.Mode}}\t{{.UID}}\t{{.GID}}\t{{.Size}}\t{{.ModifiedAt}}\t{{.Path}}",
      "Path"};
  return kStyle;
}

LongLine long_line(const std::string& name, const Entry& entry, bool human) {
  // To the second, in UTC: the same image reads the same everywhere.
  std::string time = format_rfc3339({entry.mtime.seconds, 0});
  std::ranges::replace(time, 'T', ' ');
  if (time.ends_with('Z')) time.pop_back();
  std::string shown = escaped(name);
  if (entry.type == FileType::Symlink) shown += " -> " + escaped(entry.symlink_target);
  return {mode_text(entry),
          std::to_string(entry.uid),
          std::to_string(entry.gid),
          is_device(entry) ? device_text(entry) : size_text(entry, human),
          time,
          shown};
}

std::string align_long_lines(const std::vector<LongLine>& lines) {
  std::vector<std::size_t> widths;
  for (const LongLine& line : lines) {
    widths.resize(line.size());
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const LongLine& line : lines) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      const std::string padding(widths[i] - line[i].size(), ' ');
      const bool to_the_right = i > 0;
      text += (to_the_right ? padding + line[i] : line[i] + padding) + " ";
    }
    text += line.back() + "\n";
  }
  return text;
}

}  // namespace layerkit::cli
