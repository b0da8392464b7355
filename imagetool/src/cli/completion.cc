#include "cli/completion.h"

namespace layerkit::cli {

ValueKind kind_of(std::string_view value_name) {
  const auto mentions = [&](std::string_view word) {
    return value_name.find(word) != std::string_view::npos;
  };
  return {.image = mentions("IMAGE") || mentions("REPOSITORY"),
          .container = mentions("CONTAINER"),
          .file = mentions("FILE"),
          .directory = mentions("DIR")};
}

std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return word + "'";
}

}  // namespace layerkit::cli
