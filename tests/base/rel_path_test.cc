#include "layerkit/base/rel_path.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(RelPathTest, ParseGivesTheCanonicalForm) {
  EXPECT_EQ(RelPath::parse("./a//b/./c/").str(), "a/b/c");
  EXPECT_EQ(RelPath::parse("/etc/passwd").str(), "etc/passwd");
  EXPECT_EQ(RelPath::parse("a/../b").str(), "b");
  EXPECT_TRUE(RelPath::parse("/").is_root());
  EXPECT_TRUE(RelPath::parse("./").is_root());
  EXPECT_EQ(RelPath::parse("a\n\xff").str(), "a\n\xff");
}

TEST(RelPathTest, NamesThatLeaveTheRootAreRefused) {
  for (const char* text : {"..", "../x", "a/../../x", "/..", "./../x"}) {
    expect_error(Errc::Invalid, "it leaves the root", [text] { RelPath::parse(text); });
  }
}

TEST(RelPathTest, NulIsRefused) {
  expect_error(Errc::Invalid, "NUL", [] { RelPath::parse(std::string_view("a\0b", 3)); });
}

TEST(RelPathTest, JoiningTakesExactlyOneComponent) {
  EXPECT_EQ((RelPath() / "a" / "b").str(), "a/b");
  for (const char* name : {"", ".", "..", "a/b"}) {
    expect_error(Errc::Invalid, "not one path component", [name] { RelPath() / name; });
  }
}

TEST(RelPathTest, ParentAndName) {
  const RelPath path = RelPath::parse("a/b/c");
  EXPECT_EQ(path.parent().str(), "a/b");
  EXPECT_EQ(path.name(), "c");
  EXPECT_TRUE(RelPath::parse("a").parent().is_root());
  EXPECT_EQ(RelPath().absolute(), "/");
}

TEST(RelPathTest, ContainsGoesByComponents) {
  EXPECT_TRUE(RelPath::parse("a").contains(RelPath::parse("a/b")));
  EXPECT_TRUE(RelPath::parse("a").contains(RelPath::parse("a")));
  EXPECT_FALSE(RelPath::parse("a").contains(RelPath::parse("ab")));
  EXPECT_TRUE(RelPath().contains(RelPath::parse("x")));
}

TEST(RelPathTest, OrderKeepsChildrenBesideTheirParent) {
  std::vector<RelPath> paths = {RelPath::parse("a-b"), RelPath::parse("a/b"), RelPath::parse("a"),
                                RelPath::parse("a\x01")};
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths[0].str(), "a");
  EXPECT_EQ(paths[1].str(), "a/b");
  EXPECT_EQ(paths[2].str(), "a\x01");
  EXPECT_EQ(paths[3].str(), "a-b");
}

}  // namespace
}  // namespace layerkit
