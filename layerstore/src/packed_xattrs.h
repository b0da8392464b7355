#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit {

// Texts in one string: each with its length in front, as four bytes, the lowest first.

void append_text(std::string& to, std::string_view text);
/// Takes one off the front. Throws Error{Integrity} when it is cut off.
std::string_view take_text(std::string_view& bytes);

/// Name and value of each, in order; empty when there are none.
std::string encode_xattrs(const Xattrs& xattrs);
/// Throws Error{Integrity} unless `bytes` is what encode_xattrs gives.
Xattrs decode_xattrs(std::string_view bytes);

}  // namespace layerkit
