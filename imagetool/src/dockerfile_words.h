#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

// How a Dockerfile reads the words of an instruction (docs.docker.com, "Dockerfile reference":
// environment replacement, escape characters).

/// Split at white space outside quotes; quotes and backslashes stay in the words.
std::vector<std::string> split_words(std::string_view text);

using VariableLookup = std::function<std::optional<std::string>(const std::string&)>;
/// One word without its quotes and backslashes, with $NAME, ${NAME}, ${NAME:-word} and
/// ${NAME:+word} replaced outside single quotes; unset variables are empty.
/// Throws Error{Invalid} for an unfinished quote or brace.
std::string expand_word(std::string_view word, const VariableLookup& lookup);

}  // namespace layerkit
