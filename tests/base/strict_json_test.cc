#include "layerkit/base/strict_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "expect_error.h"

namespace layerkit {
namespace {

using nlohmann::json;
using testing::expect_error;

constexpr std::size_t kBytes = 10'000;

json parse(std::string_view text) {
  return parse_json(text, "config", kBytes);
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(StrictJsonTest, ParsesEveryKindOfValue) {
  const json value = parse(R"({"a":[1,-2,2.5,true,false,null,"é\u00e9"],"b":{}})");
  EXPECT_EQ(value["a"], json::array({1, -2, 2.5, true, false, nullptr, "éé"}));
  EXPECT_EQ(value["b"], json::object());
}

TEST(StrictJsonTest, RefusesDuplicateKeysAndNamesTheirPath) {
  expect_error(Errc::Invalid, "parsing config: duplicate key 'a.b[1].c'",
               [] { parse(R"({"a":{"b":[0,{"c":1,"c":1}]}})"); });
  expect_error(Errc::Invalid, "duplicate key 'x'", [] { parse(R"({"x":1,"\u0078":2})"); });
}

TEST(StrictJsonTest, MessagesStayShortWhateverTheDocumentHas) {
  const std::string key(5000, 'k');
  const std::string shown = "[\"" + std::string(256, 'k') + "...\"]";
  expect_error(Errc::Invalid, "duplicate key '" + shown + ".x'",
               [&] { parse("{\"" + key + R"(":{"x":1,"x":2}})"); });
  const json document = parse("{\"" + key + "\":[0]}");
  EXPECT_EQ(JsonView(document, "config").at(key).items()[0].path(), shown + "[0]");
  try {
    parse("[\"" + key + "\x01\"]");
    ADD_FAILURE() << "it was read";
  } catch (const Error& error) {
    EXPECT_LT(error.message().size(), 1500U) << error.message();
  }
}

/// The paths of all values together are tens of gigabytes.
TEST(StrictJsonTest, PathsOfManyValuesBelowALongKeyAreNotMade) {
  constexpr std::size_t kMost = 8U << 20U;
  const std::string key(kMost / 2, 'k');
  std::string text = "{\"" + key + "\":{";
  for (int i = 0; i < 100'000; ++i)
    text += fmt::format("{}\"{}\":[]", i == 0 ? "" : ",", i);
  text += "}}";
  const json document = parse_json(text, "config", kMost);
  const auto members = JsonView(document, "config").at(key).members();
  ASSERT_EQ(members.size(), 100'000U);
  EXPECT_TRUE(members.back().second.items().empty());
}

TEST(StrictJsonTest, RefusesDuplicateKeysAfterANestedValue) {
  expect_error(Errc::Invalid, "duplicate key 'a'", [] { parse(R"({"a":{"b":1},"c":[],"a":2})"); });
}

TEST(StrictJsonTest, AcceptsTheDeepestNestingAndRefusesOneMore) {
  EXPECT_TRUE(parse(nested(kMaxJsonDepth)).is_array());
  expect_error(Errc::Limit, "is nested deeper than 64 levels",
               [] { parse(nested(kMaxJsonDepth + 1)); });
}

TEST(StrictJsonTest, RefusesTextAboveTheSizeLimit) {
  expect_error(Errc::Limit, "parsing config: it has 5 bytes, at most 4 are allowed",
               [] { parse_json("[   ]", "config", 4); });
  EXPECT_TRUE(parse_json("[  ]", "config", 4).is_array());
}

TEST(StrictJsonTest, RefusesMoreValuesThanMemoryShouldHold) {
  const auto list = [](std::size_t values) {
    std::string text = "[0";
    for (std::size_t i = 1; i < values; ++i)
      text += ",0";
    return text + "]";
  };
  EXPECT_EQ(parse_json(list(163), "config", 4000).size(), 163U);
  expect_error(Errc::Limit, "parsing config: it has more than 164 values",
               [&] { parse_json(list(164), "config", 4000); });
}

TEST(StrictJsonTest, RefusesNulInAnyForm) {
  using std::string_literals::operator""s;
  expect_error(Errc::Invalid, "line 1, column 5: a NUL byte", [] { parse("[1] \0 [2]"s); });
  expect_error(Errc::Invalid, "a NUL character in 'a[0]'", [] { parse(R"({"a":["x\u0000y"]})"); });
  expect_error(Errc::Invalid, "a NUL character", [] { parse(R"({"x\u0000":1})"); });
}

TEST(StrictJsonTest, RefusesInvalidUtf8AndLoneSurrogates) {
  expect_error(Errc::Invalid, "parsing config: line 1, column 3", [] { parse("[\"\xff\"]"); });
  expect_error(Errc::Invalid, "parsing config: line 1", [] { parse(R"(["\ud800"])"); });
}

TEST(StrictJsonTest, RefusesAByteOrderMarkAndTrailingText) {
  expect_error(Errc::Invalid, "a byte order mark", [] { parse("\xEF\xBB\xBF{}"); });
  expect_error(Errc::Invalid, "line 1, column 4", [] { parse("{} x"); });
  expect_error(Errc::Invalid, "line 1, column 3", [] { parse("{}{}"); });
}

TEST(StrictJsonTest, TellsLineAndColumnOfASyntaxError) {
  expect_error(Errc::Invalid, "parsing config: line 3, column 3: syntax error",
               [] { parse("{\n \"a\":\n  }"); });
  expect_error(Errc::Invalid, "parsing config: line 1, column 1", [] { parse(""); });
}

TEST(StrictJsonTest, ErrorsCarryNoControlCharactersOfTheInput) {
  try {
    parse("[\"\x1b[31m\"]");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('\x1b'), std::string::npos) << error.message();
  }
}

class JsonViewTest : public ::testing::Test {
 protected:
  json document_ =
      parse(R"({"rootfs":{"diff_ids":["a",2]},"size":-1,"big":18446744073709551615,"none":null,)"
            R"("half":0.5,"yes":true,"odd key":{"x":1}})");
  JsonView view_{document_, "config"};
};

TEST_F(JsonViewTest, NamesThePathOfAWrongType) {
  const auto read = [&] { return view_.at("rootfs").at("diff_ids").strings(); };
  expect_error(Errc::Invalid, "reading config: 'rootfs.diff_ids[1]' is not a string", read);
  expect_error(Errc::Invalid, "reading config: 'size' is not an object",
               [&] { view_.at("size").find("x"); });
  expect_error(Errc::Invalid, "reading config: it is not an array", [&] { view_.items(); });
  expect_error(Errc::Invalid, R"('["odd key"].x' is not a string)",
               [&] { view_.at("odd key").at("x").string(); });
  expect_error(Errc::Invalid, "'yes' is not a whole number", [&] { view_.at("yes").number(); });
  expect_error(Errc::Invalid, "'size' is not true or false", [&] { view_.at("size").boolean(); });
}

TEST_F(JsonViewTest, TakesNullForAbsent) {
  EXPECT_FALSE(view_.find("none"));
  EXPECT_FALSE(view_.find("nowhere"));
  expect_error(Errc::Invalid, "reading config: 'none' is missing", [&] { view_.at("none"); });
  EXPECT_EQ(view_.string_or("none", "fallback"), "fallback");
}

TEST_F(JsonViewTest, ReadsNumbersOnlyWhenTheyFit) {
  EXPECT_EQ(view_.at("size").number(), -1);
  expect_error(Errc::Invalid, "'size' is negative", [&] { view_.at("size").unsigned_number(); });
  expect_error(Errc::Invalid, "'big' is too large", [&] { view_.at("big").unsigned_number(); });
  expect_error(Errc::Invalid, "'half' is not a whole number", [&] { view_.at("half").number(); });
}

TEST_F(JsonViewTest, ListsMembersWithTheirPaths) {
  const auto members = view_.at("rootfs").members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].first, "diff_ids");
  EXPECT_EQ(members[0].second.path(), "rootfs.diff_ids");
  EXPECT_EQ(members[0].second.items()[0].path(), "rootfs.diff_ids[0]");
}

TEST(DumpJsonTest, RefusesTextThatIsNotUtf8) {
  EXPECT_EQ(dump_json(json{{"a", "é"}}, "config"), R"({"a":"é"})");
  expect_error(Errc::Invalid, "writing config: a string in it is not valid UTF-8",
               [] { dump_json(json("\xff"), "config"); });
}

}  // namespace
}  // namespace layerkit
