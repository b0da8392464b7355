#include "dockerfile_words.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Expander {
 public:
  Expander(std::string_view word, const VariableLookup& lookup) : word_(word), lookup_(lookup) {}

  std::string run() {
    while (!at_end()) {
      const char c = take();
      if (c == '\'') {
        single_quoted();
      } else if (c == '"') {
        double_quoted();
      } else if (c == '\\') {
        if (!at_end()) result_ += take();
      } else if (c == '$') {
        variable();
      } else {
        result_ += c;
      }
    }
    return std::move(result_);
  }

 private:
  bool at_end() const noexcept { return place_ >= word_.size(); }
  char peek() const noexcept { return word_[place_]; }
  char take() noexcept { return word_[place_++]; }
  [[noreturn]] void refuse(const char* problem) const {
    fail(Errc::Invalid, "reading {}: {}", quoted(word_), problem);
  }

  void single_quoted() {
    for (;;) {
      if (at_end()) refuse("unfinished quote");
      const char c = take();
      if (c == '\'') return;
      result_ += c;
    }
  }

  void double_quoted() {
    for (;;) {
      if (at_end()) refuse("unfinished quote");
      const char c = take();
      if (c == '"') return;
      if (c == '\\' && !at_end() && (peek() == '"' || peek() == '$' || peek() == '\\')) {
        result_ += take();
      } else if (c == '$') {
        variable();
      } else {
        result_ += c;
      }
    }
  }

  std::string name() {
    std::string text;
    while (!at_end() && is_name_char(peek()))
      text += take();
    return text;
  }

  /// After the '$'.
  void variable() {
    if (at_end() || (peek() != '{' && !is_name_char(peek()))) {
      result_ += '$';
      return;
    }
    if (peek() != '{') {
      result_ += lookup_(name()).value_or("");
      return;
    }
    take();
    const std::string key = name();
    if (key.empty()) refuse("bad substitution");
    const auto value = lookup_(key);
    const std::string modifier = rest_of_braces();
    if (modifier.empty()) {
      result_ += value.value_or("");
      return;
    }
    const bool has_value = value && !value->empty();
    const auto alternative = [&] {
      return Expander(std::string_view(modifier).substr(2), lookup_).run();
    };
    if (modifier.starts_with(":-")) {
      result_ += has_value ? *value : alternative();
    } else if (modifier.starts_with(":+")) {
      result_ += has_value ? alternative() : "";
    } else {
      refuse("bad substitution");
    }
  }

  /// What stands between the name and the closing brace, which is consumed.
  std::string rest_of_braces() {
    std::string text;
    for (int depth = 1;;) {
      if (at_end()) refuse("unfinished substitution");
      const char c = take();
      if (c == '{') ++depth;
      if (c == '}' && --depth == 0) return text;
      text += c;
    }
  }

  std::string_view word_;
  const VariableLookup& lookup_;
  std::size_t place_ = 0;
  std::string result_;
};

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && is_blank(c)) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
      continue;
    }
    word += c;
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string expand_word(std::string_view word, const VariableLookup& lookup) {
  return Expander(word, lookup).run();
}

}  // namespace layerkit
