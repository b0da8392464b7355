#include "cli/completion.h"

#include <algorithm>

namespace layerkit::cli {

ValueKind kind_of(std::string_view value_name, const CompletionPlan& plan) {
  const auto mentions = [&](std::string_view word) {
    return value_name.find(word) != std::string_view::npos;
  };
  ValueKind kind{.names = {}, .file = mentions("FILE"), .directory = mentions("DIR")};
  for (const NameListing& listing : plan.names) {
    if (std::ranges::any_of(listing.words, mentions)) kind.names.push_back(listing);
  }
  return kind;
}

std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return word + "'";
}

std::string with_program(std::string_view text, std::string_view program) {
  constexpr std::string_view kPlace = "@PROGRAM@";
  std::string result;
  for (std::size_t at = text.find(kPlace); at != std::string_view::npos; at = text.find(kPlace)) {
    result.append(text.substr(0, at)).append(program);
    text.remove_prefix(at + kPlace.size());
  }
  return result.append(text);
}

}  // namespace layerkit::cli
