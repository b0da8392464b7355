#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace layerkit::cli {

/// What a listing (images, ps, history) can show.
struct ListingStyle {
  /// Every field a row has, with the heading of its column.
  std::vector<std::pair<std::string, std::string>> headings;
  /// Template of a row in the default table, columns separated by "\t".
  std::string table;
  /// Field that -q prints.
  std::string quiet_field;
};

/// What the user asked for: the values of -q and --format.
struct ListingChoice {
  bool quiet = false;
  /// "" or "table": the default table; "table TEMPLATE"; "json": one object a line; or a template.
  std::string format;
};

/// The text of a listing as docker lays it out. `rows` are objects with the fields of the style,
/// all strings; names in them need not be escaped. Throws Error{Invalid} for a bad format even
/// when there are no rows.
std::string render_listing(const ListingStyle& style,
                           const ListingChoice& choice,
                           const std::vector<nlohmann::ordered_json>& rows);

/// Declares --format. Where docker has it, `names` adds the short form: "-f,--format".
CLI::Option* add_format_option(CLI::App& command,
                               std::string& format,
                               const char* names = "--format");

/// At most `limit` characters; the last one is an ellipsis where something was cut off.
std::string shortened(const std::string& text, std::size_t limit);
/// Without what would end a cell.
std::string one_line(std::string text);

/// Lines of cells separated by tabs, aligned as docker's tables: three spaces between columns, a
/// column at least ten wide.
std::string align_table(const std::vector<std::string>& lines);

}  // namespace layerkit::cli
