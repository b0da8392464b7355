#include "cli/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "layerkit/base/text.h"
#include "template.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kTable = "table";

/// The row template of a table, or nullopt when something else was asked for.
std::optional<std::string> table_template(const ListingStyle& style, const ListingChoice& choice) {
  const std::string_view format = choice.format;
  if (format.empty() || format == kTable) return style.table;
  if (!format.starts_with(kTable) || format[kTable.size()] != ' ') return std::nullopt;
  return std::string(format.substr(kTable.size() + 1));
}

ordered_json heading_row(const ListingStyle& style) {
  ordered_json row;
  for (const auto& [field, heading] : style.headings) {
    row[field] = heading;
  }
  return row;
}

std::string render_lines(const Template& row_template, const std::vector<ordered_json>& rows) {
  std::string text;
  for (const ordered_json& row : rows) {
    text += row_template.render(row, Template::Strings::Escaped) + "\n";
  }
  return text;
}

/// Code points, which is what takes a place on the screen.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

CLI::Option* add_format_option(CLI::App& command, std::string& format, const char* names) {
  return command
      .add_option(
          names, format,
          "Format output: 'json', 'table', 'table TEMPLATE' or a TEMPLATE such as '{{.ID}}'")
      ->type_name("FORMAT");
}

std::string shortened(const std::string& text, std::size_t limit) {
  std::size_t characters = 0;
  std::size_t cut = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_character && ++characters == limit) cut = i;
  }
  return characters <= limit ? text : text.substr(0, cut) + "…";
}

std::string one_line(std::string text) {
  std::ranges::replace(text, '\t', ' ');
  return text;
}

std::string align_table(const std::vector<std::string>& lines) {
  constexpr std::size_t kMinWidth = 10;
  constexpr std::size_t kPadding = 3;
  std::vector<std::size_t> widths;
  for (const std::string& line : lines) {
    const std::vector<std::string_view> cells = split(line, '\t');
    if (widths.size() < cells.size()) widths.resize(cells.size(), kMinWidth);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(cells[i]) + kPadding);
    }
  }
  std::string text;
  for (const std::string& line : lines) {
    const std::vector<std::string_view> cells = split(line, '\t');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - width_of(cells[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string render_listing(const ListingStyle& style,
                           const ListingChoice& choice,
                           const std::vector<ordered_json>& rows) {
  const std::optional<std::string> table = table_template(style, choice);
  if (!table) {
    const bool json = choice.format == "json";
    return render_lines(Template::parse(json ? "{{json .}}" : choice.format), rows);
  }
  if (choice.quiet) return render_lines(Template::parse("{{." + style.quiet_field + "}}"), rows);

  const Template row_template = Template::parse(*table);
  std::vector<std::string> lines;
  lines.push_back(row_template.render(heading_row(style), Template::Strings::Heading));
  for (const ordered_json& row : rows) {
    lines.push_back(row_template.render(row, Template::Strings::Escaped));
  }
  return align_table(lines);
}

}  // namespace layerkit::cli
