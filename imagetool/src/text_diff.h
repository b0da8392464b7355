#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layerkit {

/// What GNU diff -u writes of two texts, below its two lines of names: hunks with three lines of
/// context; empty when the texts are equal. Lines end with '\n'; one that does not is followed by
/// "\ No newline at end of file". The difference is the smallest one, unless that has more than
/// some thousand lines: then all between the first and the last difference is replaced.
/// Memory: some tens of MiB and a few times the texts.
std::string unified_hunks(std::string_view before, std::string_view after);

/// Whether people can read it: there is no NUL in it.
inline bool is_text(std::string_view bytes) noexcept {
  return bytes.find('\0') == std::string_view::npos;
}

}  // namespace layerkit
