#include "json_mutator.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace layerkit::testing {
namespace {

using nlohmann::json;
using namespace std::string_literals;

/// What nests deeper is not taken apart.
constexpr std::size_t kMaxDepth = 200;
constexpr std::size_t kMaxGrowth = 300;

bool is_too_deep(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return deepest > kMaxDepth;
}

std::optional<json> parsed(std::string_view text) {
  if (is_too_deep(text)) return std::nullopt;
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

void collect(json& value, std::vector<json*>& all, std::vector<json*>& containers) {
  all.push_back(&value);
  if (!value.is_structured()) return;
  containers.push_back(&value);
  for (json& child : value)
    collect(child, all, containers);
}

void collect_words(const json& value,
                   std::vector<std::string>& keys,
                   std::vector<std::string>& words) {
  if (value.is_string()) words.push_back(value.get<std::string>());
  if (value.is_object())
    for (const auto& [key, child] : value.items())
      keys.push_back(key);
  if (value.is_structured())
    for (const json& child : value)
      collect_words(child, keys, words);
}

void sort_out(std::vector<std::string>& words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  if (words.empty()) words.emplace_back("x");
}

void find_values(const json& value, const std::string& key, std::vector<const json*>& found) {
  if (!value.is_structured()) return;
  if (value.is_object())
    if (const auto member = value.find(key); member != value.end()) found.push_back(&*member);
  for (const json& child : value)
    find_values(child, key, found);
}

std::string key_at(const json& object, std::size_t index) {
  auto member = object.begin();
  std::advance(member, static_cast<std::ptrdiff_t>(index));
  return member.key();
}

const std::array<std::string, 40> kEdgeTexts = {{"",
                                                 "..",
                                                 "/",
                                                 "//",
                                                 "/..",
                                                 "/../../etc",
                                                 "../x",
                                                 "/a/../b",
                                                 ".",
                                                 "-",
                                                 "-1",
                                                 "=",
                                                 "=x",
                                                 "x=",
                                                 "a\nb",
                                                 "\n",
                                                 "\r\t\x1b[31m",
                                                 "\x7f",
                                                 "a\0b"s,
                                                 "\0"s,
                                                 "\xff\xfe",
                                                 "\xc3\x28",
                                                 "\xed\xa0\x80",
                                                 "\xc2\x9b",
                                                 "\xe2\x80\xae",
                                                 "\xf0\x9f\x90\x99",
                                                 " ",
                                                 "'",
                                                 "\"",
                                                 "\\",
                                                 "%s{}",
                                                 "0-8191",
                                                 "5-1",
                                                 "0-99999999999999999999",
                                                 "18446744073709551616",
                                                 "/proc/self/ns/net",
                                                 "/dev/null",
                                                 "/proc/self/fd/3",
                                                 "SCMP_ACT_NOTIFY",
                                                 "ridmap"}};

const std::array<json, 30> kEdgeNumbers = {{0,
                                            1,
                                            -1,
                                            2,
                                            -2,
                                            7,
                                            8,
                                            999,
                                            1000,
                                            1001,
                                            4095,
                                            4096,
                                            65535,
                                            65536,
                                            1'048'575,
                                            1'048'576,
                                            999'999'999,
                                            1'000'000'000,
                                            2'147'483'647,
                                            2'147'483'648U,
                                            -2'147'483'649,
                                            4'294'967'294U,
                                            4'294'967'295U,
                                            4'294'967'296U,
                                            9'007'199'254'740'992U,
                                            std::numeric_limits<std::int64_t>::max(),
                                            std::numeric_limits<std::int64_t>::min(),
                                            9'223'372'036'854'775'808U,
                                            std::numeric_limits<std::uint64_t>::max(),
                                            0.5}};

/// Numbers that are not values of the library's.
const std::array<std::string_view, 6> kOddNumbers = {"-0",    "-0.0", "1e308",
                                                     "1e309", "1.0",  "18446744073709551616"};

/// Stands for one of kOddNumbers until the text is written.
constexpr double kOddNumber = -1.25;

}  // namespace

JsonMutator::JsonMutator(const std::vector<std::string>& donors) {
  for (const std::string& text : donors) {
    std::optional<json> document = parsed(text);
    if (!document) continue;
    collect_words(*document, keys_, words_);
    donors_.push_back(*std::move(document));
  }
  if (donors_.empty()) donors_.emplace_back(json::object());
  sort_out(keys_);
  sort_out(words_);
}

std::string JsonMutator::mutate(std::string_view text,
                                std::string_view other,
                                std::size_t max_bytes) {
  std::optional<json> document = parsed(text);
  if (!document) document = any_of(donors_);
  std::string result;
  if (std::optional<json> donor = other.empty() ? std::nullopt : parsed(other)) {
    std::swap(donors_.front(), *donor);
    change(*document);
    std::swap(donors_.front(), *donor);
  }
  for (std::size_t steps = 1 + below(3); steps > 0; --steps)
    change(*document);
  twice_at_ = below(40) == 0 ? 1 + below(50) : 0;
  write(*document, result);
  if (below(30) == 0) damage(result);
  if (result.size() > max_bytes) result = std::string(text.substr(0, max_bytes));
  return result;
}

void JsonMutator::change(Json& root) {
  std::vector<Json*> all;
  std::vector<Json*> containers;
  collect(root, all, containers);
  const Json donor = any_of(donors_);
  if (!containers.empty() && below(2) == 0) {
    change_container(*any_of(containers), donor);
  } else if (below(12) == 0) {
    Json* const value = any_of(all);
    *value = nested(*value);
  } else {
    change_value(*any_of(all), donor);
  }
}

void JsonMutator::change_container(Json& container, const Json& donor) {
  if (container.is_object()) {
    change_member(container, donor);
  } else {
    change_item(container);
  }
}

void JsonMutator::change_member(Json& object, const Json& donor) {
  const std::size_t kind = object.empty() ? 3 : below(5);
  if (kind <= 2) {
    const std::string key = key_at(object, below(object.size()));
    Json value = object[key];
    if (kind != 1) object.erase(key);
    // Gone, there twice, by another name.
    if (kind != 0) object[below(3) == 0 ? bent(key) : any_of(keys_)] = std::move(value);
    return;
  }
  const std::string& key = any_of(keys_);
  std::vector<const Json*> values;
  find_values(donor, key, values);
  object[key] = values.empty() ? edge_value() : *any_of(values);
}

void JsonMutator::change_item(Json& array) {
  if (array.empty()) {
    array.push_back(edge_value());
    return;
  }
  const std::size_t at = below(array.size());
  switch (below(4)) {
    case 0:
      array.erase(at);
      break;
    case 1:
      array.push_back(Json(array[at]));
      break;
    case 2:
      for (std::size_t count = below(kMaxGrowth); count > 0; --count)
        array.push_back(Json(array[at]));
      break;
    default:
      std::swap(array[at], array[below(array.size())]);
  }
}

void JsonMutator::change_value(Json& value, const Json& donor) {
  switch (below(6)) {
    case 0:
      value = edge_value();
      break;
    case 1: {
      Json copy = donor;
      std::vector<Json*> all;
      std::vector<Json*> containers;
      collect(copy, all, containers);
      value = Json(*any_of(all));
      break;
    }
    default:
      if (value.is_string()) {
        value = below(3) == 0   ? edge_text()
                : below(2) == 0 ? any_of(words_)
                                : bent(value.get<std::string>());
      } else if (value.is_number()) {
        value = edge_number();
      } else if (value.is_boolean()) {
        value = !value.get<bool>();
      } else if (value.is_structured() && !value.empty()) {
        change_container(value, donor);
      } else {
        value = edge_value();
      }
  }
}

nlohmann::json JsonMutator::edge_value() {
  switch (below(8)) {
    case 0:
      return nullptr;
    case 1:
      return below(2) == 0;
    case 2:
    case 3:
      return edge_number();
    case 4:
      return edge_text();
    case 5:
      return any_of(words_);
    case 6:
      return Json::array();
    default:
      return Json::object();
  }
}

nlohmann::json JsonMutator::edge_number() {
  if (below(8) == 0) return kOddNumber;
  return any_of(kEdgeNumbers);
}

std::string JsonMutator::edge_text() {
  if (below(10) == 0) return std::string(1 + below(9000), 'a');
  return any_of(kEdgeTexts);
}

/// Almost the same word.
std::string JsonMutator::bent(std::string text) {
  const std::size_t at = below(text.size() + 1);
  switch (below(5)) {
    case 0:
      text.insert(at, any_of(kEdgeTexts));
      break;
    case 1:
      text.erase(at, 1 + below(3));
      break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(below(256));
      break;
    case 3:
      text.append(any_of(words_));
      break;
    default:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ ' ');
  }
  return text;
}

nlohmann::json JsonMutator::nested(Json inner) {
  for (std::size_t depth = 1 + below(80); depth > 0; --depth) {
    Json outer = below(2) == 0 ? Json::array() : Json::object();
    if (outer.is_array()) {
      outer.push_back(std::move(inner));
    } else {
      outer[any_of(keys_)] = std::move(inner);
    }
    inner = std::move(outer);
  }
  return inner;
}

void JsonMutator::damage(std::string& text) {
  const std::size_t at = below(text.size() + 1);
  switch (below(4)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(below(256));
      break;
    case 1:
      text.resize(at);
      break;
    case 2:
      text.insert(at, any_of(kEdgeTexts));
      break;
    default:
      text.erase(at, 1 + below(8));
  }
}

/// Unlike the library this writes strings that are not UTF-8, members twice and odd numbers.
void JsonMutator::write(const Json& value, std::string& out) {
  if (value.is_string()) {
    write_string(value.get_ref<const std::string&>(), out);
  } else if (value.is_array()) {
    out += '[';
    for (const Json& item : value) {
      if (out.back() != '[') out += ',';
      write(item, out);
    }
    out += ']';
  } else if (value.is_object()) {
    write_object(value, out);
  } else if (value.is_number_float() && value.get<double>() == kOddNumber) {
    out += any_of(kOddNumbers);
  } else {
    out += value.dump();
  }
}

void JsonMutator::write_object(const Json& object, std::string& out) {
  out += '{';
  for (const auto& [key, member] : object.items()) {
    for (std::size_t times = twice_at_ == 1 ? 2 : 1; times > 0; --times) {
      if (out.back() != '{') out += ',';
      write_string(key, out);
      out += ':';
      write(member, out);
    }
    if (twice_at_ > 0) --twice_at_;
  }
  out += '}';
}

void JsonMutator::write_string(const std::string& text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  // Escaped it comes through the parser; as it is it must not.
  const bool is_raw = below(200) == 0;
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 && !is_raw) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace layerkit::testing
