#include "template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "expect_error.h"

namespace layerkit {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;

std::string render(std::string_view text,
                   const ordered_json& data,
                   Template::Strings strings = Template::Strings::Verbatim) {
  return Template::parse(text).render(data, strings);
}

const ordered_json kData = {{"ID", "abc"},
                            {"Size", 7},
                            {"Ok", true},
                            {"Null", nullptr},
                            {"Tags", {"a:1", "b:2"}},
                            {"A", {{"z", "1"}, {"B", {{"C", "deep"}}}}}};

TEST(TemplateTest, FillsInFields) {
  EXPECT_EQ(render("{{.ID}}: {{ .Size }} {{.A.B.C}}", kData), "abc: 7 deep");
  EXPECT_EQ(render("no fields", kData), "no fields");
  EXPECT_EQ(render("", kData), "");
}

TEST(TemplateTest, PrintsValuesAsGo) {
  EXPECT_EQ(render("{{.Ok}} {{.Null}} {{.Tags}} {{.A}}", kData),
            "true <nil> [a:1 b:2] map[B:map[C:deep] z:1]");
}

TEST(TemplateTest, WritesJson) {
  EXPECT_EQ(render("{{json .Tags}}", kData), R"(["a:1","b:2"])");
  EXPECT_EQ(render("{{ json .A.B }}", kData), R"({"C":"deep"})");
  EXPECT_EQ(render("{{json .}}", ordered_json{{"b", 1}, {"a", "<é>"}}), R"({"b":1,"a":"<é>"})");
}

TEST(TemplateTest, UnderstandsTabAndLineBreakInTheText) {
  EXPECT_EQ(render(R"({{.ID}}\t{{.Size}}\n\x)", kData), "abc\t7\n\\x");
}

TEST(TemplateTest, EscapesStringsForTerminals) {
  const ordered_json data = {{"a", "x\x1b[31m"}, {"b", {"\t"}}};
  EXPECT_EQ(render("{{.a}}{{.b}}", data, Template::Strings::Escaped), R"(x\x1b[31m[\t])");
  EXPECT_EQ(render("{{.a}}", data), "x\x1b[31m");
  EXPECT_EQ(render("{{json .a}}", data), R"("x\u001b[31m")");
}

TEST(TemplateTest, AHeadingIsNeverQuoted) {
  EXPECT_EQ(render("{{json .ID}}", {{"ID", "IMAGE ID"}}, Template::Strings::Heading), "IMAGE ID");
}

TEST(TemplateTest, RefusesFieldsThatDoNotExist) {
  expect_error(Errc::Invalid, "filling in the template: '{{.Nope}}': there is no field 'Nope'",
               [] { render("{{.Nope}}", kData); });
  expect_error(Errc::Invalid, "there is no field 'X'", [] { render("{{.ID.X}}", kData); });
}

TEST(TemplateTest, RefusesWhatItDoesNotKnow) {
  expect_error(Errc::Invalid, "parsing template: '{{' without '}}' at character 3",
               [] { Template::parse("ab{{.ID"); });
  for (const std::string text : {"{{range .Tags}}", "{{if .ID}}", "{{end}}", "{{len .Tags}}",
                                 "{{\"x\"}}", "{{}}", "{{- .ID}}", "{{jsonx .ID}}"}) {
    expect_error(Errc::Invalid, "is not supported (only .Field and json .Field)",
                 [&] { Template::parse(text); });
  }
  for (const std::string text : {"{{.ID | json}}", "{{..}}", "{{.A.}}", "{{.A B}}"}) {
    expect_error(Errc::Invalid, "is not a field", [&] { Template::parse(text); });
  }
}

TEST(JsonTextTest, EscapesWhatTerminalsObey) {
  EXPECT_EQ(json_text("\x7f\xc2\x9b"
                      "é",
                      -1),
            R"("\u007f\u009b)"
            "é\"");
  expect_error(Errc::Invalid, "writing JSON: a string in it is not valid UTF-8",
               [] { json_text("\xff", -1); });
}

TEST(JsonTextTest, IndentsOnRequest) {
  EXPECT_EQ(json_text({{"a", 1}}, 4), "{\n    \"a\": 1\n}");
}

}  // namespace
}  // namespace layerkit
