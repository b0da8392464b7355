#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// The part of Go's text/template that `--format` of docker's commands is used for: text with
/// {{.Field}}, {{.A.B}}, {{.}} and {{json …}} of these; \t and \n in the text are a tab and a line
/// break. Everything else is refused with a message, never printed as something different.
class Template {
 public:
  /// Throws Error{Invalid} "parsing template: … at character 12".
  static Template parse(std::string_view text);

  /// How strings come out of {{.Field}}.
  enum class Strings {
    Verbatim,  ///< as they are: for programs
    Escaped,   ///< escaped() of base/text.h: for terminals
    Heading,   ///< as they are, and {{json .Field}} too: the heading of a table
  };
  /// Values print as Go's: lists "[a b]", objects "map[k:v]", null "<nil>".
  /// Throws Error{Invalid} that names a field which `data` does not have.
  std::string render(const nlohmann::ordered_json& data, Strings strings) const;

 private:
  struct Piece {
    std::string text;  ///< literal, or the action as written
    bool is_action = false;
    bool as_json = false;             ///< {{json …}}
    std::vector<std::string> fields;  ///< {{.A.B}}: A, B
  };
  static Piece parse_action(std::string_view action, std::size_t offset);
  static std::string render_piece(const Piece& piece,
                                  const nlohmann::ordered_json& data,
                                  Strings strings);

  std::vector<Piece> pieces_;
};

/// JSON for people and programs: `indent` spaces (negative: one line), what terminals would obey
/// (DEL, C1) as \u escapes. Throws Error{Invalid} for strings that are not UTF-8.
std::string json_text(const nlohmann::ordered_json& value, int indent);

}  // namespace layerkit
