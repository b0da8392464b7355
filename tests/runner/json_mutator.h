#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit::testing {

/// Makes JSON texts that are almost what they were: keys and items go, come twice or get other
/// names, values get other types and edge values, parts come from other documents, arrays grow,
/// nesting gets deep. Now and then the result is no JSON. The same in every run.
class JsonMutator final {
 public:
  /// `donors`: documents that give keys, words and subtrees; those that are no JSON are left out.
  explicit JsonMutator(const std::vector<std::string>& donors);

  void seed(std::uint32_t value) { random_.seed(value); }

  /// One to a few mutations of `text`, with parts of `other` (may be empty), of at most
  /// `max_bytes`.
  std::string mutate(std::string_view text, std::string_view other, std::size_t max_bytes);

 private:
  using Json = nlohmann::json;

  std::size_t below(std::size_t bound) { return random_() % (bound == 0 ? 1 : bound); }
  template <typename List>
  const auto& any_of(const List& list) {
    return list[below(list.size())];
  }

  void change(Json& root);
  void change_container(Json& container, const Json& donor);
  void change_member(Json& object, const Json& donor);
  void change_item(Json& array);
  void change_value(Json& value, const Json& donor);
  Json edge_value();
  Json edge_number();
  std::string edge_text();
  std::string bent(std::string text);
  Json nested(Json inner);
  void damage(std::string& text);
  void write(const Json& value, std::string& out);
  void write_object(const Json& object, std::string& out);
  void write_string(const std::string& text, std::string& out);

  std::mt19937 random_{20240521};
  std::vector<Json> donors_;
  std::vector<std::string> keys_;
  std::vector<std::string> words_;
  std::size_t twice_at_ = 0;  ///< which member comes twice in the text; 0: none
};

}  // namespace layerkit::testing
