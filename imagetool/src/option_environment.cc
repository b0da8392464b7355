#include <algorithm>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {

std::optional<std::string> parse_environment(std::string_view text,
                                             const EnvironmentLookup& lookup) {
  const auto equals = text.find('=');
  if (text.empty() || equals == 0 || text.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "invalid environment variable: {}", quoted(text));
  }
  if (equals != std::string_view::npos) return std::string(text);
  const auto value = lookup(std::string(text));
  if (!value) return std::nullopt;
  return std::string(text) + "=" + *value;
}

std::vector<std::string> parse_environment_file(std::string_view contents,
                                                std::string_view file,
                                                const EnvironmentLookup& lookup) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  constexpr std::string_view kBlank = " \t\v\f\r";
  if (contents.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    contents.remove_prefix(kByteOrderMark.size());
  }
  std::vector<std::string> variables;
  for (std::string_view line : split(contents, '\n')) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto start = line.find_first_not_of(kBlank);
    if (start == std::string_view::npos || line[start] == '#') continue;
    line.remove_prefix(start);
    const auto name = line.substr(0, line.find('='));
    if (name.find_first_of(kBlank) != std::string_view::npos) {
      fail(Errc::Invalid, "reading {}: variable {} contains whitespace", quoted(file),
           quoted(name));
    }
    const auto variable = with_context([&] { return "reading " + quoted(file); },
                                       [&] { return parse_environment(line, lookup); });
    if (variable) variables.push_back(*variable);
  }
  return variables;
}

}  // namespace layerkit
