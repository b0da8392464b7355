#include "template.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

[[noreturn]] void refuse(std::size_t offset, std::string_view problem) {
  fail(Errc::Invalid, "parsing template: {} at character {}", problem, offset + 1);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool is_identifier(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// \t and \n, as docker's own templates allow them on a command line.
std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool tab = text.starts_with("\\t");
    const bool line_break = text.starts_with("\\n");
    out += tab ? '\t' : line_break ? '\n' : text.front();
    text.remove_prefix(tab || line_break ? 2 : 1);
  }
  return out;
}

std::string go_text(const ordered_json& value, Template::Strings strings);

std::string go_list(const ordered_json& list, Template::Strings strings) {
  std::string text = "[";
  for (const ordered_json& item : list) {
    if (text.size() > 1) text += ' ';
    text += go_text(item, strings);
  }
  return text + "]";
}

std::string go_map(const ordered_json& object, Template::Strings strings) {
  std::vector<std::string> members;
  for (const auto& [key, value] : object.items()) {
    const std::string shown = strings == Template::Strings::Escaped ? escaped(key) : key;
    members.push_back(shown + ":" + go_text(value, strings));
  }
  std::ranges::sort(members);
  return fmt::format("map[{}]", fmt::join(members, " "));
}

std::string go_text(const ordered_json& value, Template::Strings strings) {
  if (value.is_null()) return "<nil>";
  if (value.is_array()) return go_list(value, strings);
  if (value.is_object()) return go_map(value, strings);
  if (!value.is_string()) return value.dump();
  const std::string& text = value.get_ref<const std::string&>();
  return strings == Template::Strings::Escaped ? escaped(text) : text;
}

}  // namespace

Template Template::parse(std::string_view text) {
  Template result;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find(kOpen, at);
    if (open != at) {
      Piece literal;
      literal.text = unescape(text.substr(at, open == std::string_view::npos ? open : open - at));
      result.pieces_.push_back(std::move(literal));
    }
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(kClose, open);
    if (close == std::string_view::npos) refuse(open, "'{{' without '}}'");
    const std::size_t inside = open + kOpen.size();
    result.pieces_.push_back(parse_action(text.substr(inside, close - inside), open));
    at = close + kClose.size();
  }
  return result;
}

Template::Piece Template::parse_action(std::string_view action, std::size_t offset) {
  constexpr std::string_view kJson = "json ";
  Piece piece;
  piece.is_action = true;
  std::string_view operand = trimmed(action);
  piece.text = operand;
  if (operand.starts_with(kJson)) {
    piece.as_json = true;
    operand = trimmed(operand.substr(kJson.size()));
  }
  if (!operand.starts_with('.')) {
    refuse(offset, fmt::format("{} is not supported (only .Field and json .Field)",
                               layerkit::quoted(piece.text)));
  }
  if (operand == ".") return piece;
  for (const std::string_view field : split(operand.substr(1), '.')) {
    if (!is_identifier(field)) {
      refuse(offset, fmt::format("{} is not a field", layerkit::quoted(operand)));
    }
    piece.fields.emplace_back(field);
  }
  return piece;
}

std::string Template::render(const ordered_json& data, Strings strings) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += render_piece(piece, data, strings);
  }
  return text;
}

std::string Template::render_piece(const Piece& piece, const ordered_json& data, Strings strings) {
  if (!piece.is_action) return piece.text;
  const ordered_json* value = &data;
  for (const std::string& field : piece.fields) {
    const auto found = value->is_object() ? value->find(field) : value->end();
    if (found == value->end()) {
      fail(Errc::Invalid, "filling in the template: {}: there is no field '{}'",
           layerkit::quoted("{{" + piece.text + "}}"), field);
    }
    value = &*found;
  }
  const bool json = piece.as_json && strings != Strings::Heading;
  return json ? json_text(*value, -1) : go_text(*value, strings);
}

std::string json_text(const ordered_json& value, int indent) {
  std::string raw;
  try {
    raw = value.dump(indent);
  } catch (const ordered_json::exception&) {  // its only reason here
    fail(Errc::Invalid, "writing JSON: a string in it is not valid UTF-8");
  }
  std::string text;
  text.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto byte = static_cast<unsigned char>(raw[i]);
    const bool c1 =
        byte == 0xc2 && i + 1 < raw.size() && static_cast<unsigned char>(raw[i + 1]) < 0xa0;
    if (c1) {
      text += fmt::format("\\u{:04x}", static_cast<unsigned char>(raw[++i]));
    } else if (byte == 0x7f) {
      text += "\\u007f";
    } else {
      text += raw[i];
    }
  }
  return text;
}

}  // namespace layerkit
