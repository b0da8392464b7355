#include "detach_keys.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// The byte that a terminal sends for "ctrl-x", or for a character alone.
char byte_of(std::string_view key, std::string_view keys) {
  constexpr std::string_view kControl = "ctrl-";
  if (key.size() == 1) return key.front();
  if (key.size() == kControl.size() + 1 && key.starts_with(kControl)) {
    const char letter = key.back();
    if (letter >= 'a' && letter <= 'z') return static_cast<char>(letter - 'a' + 1);
    constexpr std::string_view kOthers = "@[\\]^_";
    if (kOthers.find(letter) != std::string_view::npos) return static_cast<char>(letter & 0x1f);
  }
  fail(Errc::Invalid, "invalid detach keys {}: {} is neither a character nor ctrl- with one",
       quoted(keys), quoted(key));
}

}  // namespace

DetachKeys::DetachKeys(std::string_view keys) {
  if (keys.empty()) keys = kDefaultDetachKeys;
  for (const std::string_view key : split(keys, ','))
    keys_ += byte_of(key, keys);
}

std::string DetachKeys::feed(std::string_view typed) {
  std::string passed;
  for (const char byte : typed) {
    if (are_complete()) break;
    if (byte == keys_[matched_]) {
      ++matched_;
      continue;
    }
    passed.append(keys_, 0, matched_);
    matched_ = byte == keys_[0] ? 1 : 0;
    if (matched_ == 0) passed += byte;
  }
  return passed;
}

}  // namespace layerkit
