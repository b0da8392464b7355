#include "text_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace layerkit {
namespace {

TEST(TextDiffTest, EqualTextsHaveNoHunks) {
  EXPECT_EQ(unified_hunks("", ""), "");
  EXPECT_EQ(unified_hunks("a\nb\n", "a\nb\n"), "");
  EXPECT_EQ(unified_hunks("a", "a"), "");
}

TEST(TextDiffTest, RangesAreThoseOfDiffU) {
  EXPECT_EQ(unified_hunks("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
  EXPECT_EQ(unified_hunks("a\nb\n", ""), "@@ -1,2 +0,0 @@\n-a\n-b\n");
  EXPECT_EQ(unified_hunks("a\n", "b\n"), "@@ -1 +1 @@\n-a\n+b\n");
  EXPECT_EQ(unified_hunks("a\nb\nc\n", "a\nc\n"), "@@ -1,3 +1,2 @@\n a\n-b\n c\n");
}

TEST(TextDiffTest, AMissingNewlineIsTold) {
  EXPECT_EQ(unified_hunks("one", "one\n"),
            "@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+one\n");
  EXPECT_EQ(unified_hunks("x\none", "y\none"),
            "@@ -1,2 +1,2 @@\n-x\n+y\n one\n\\ No newline at end of file\n");
}

TEST(TextDiffTest, ChangesFarFromEachOtherAreHunksOfTheirOwn) {
  const std::string before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  EXPECT_EQ(unified_hunks(before, "x\n2\n3\n4\n5\n6\n7\ny\n9\n"),
            "@@ -1,9 +1,9 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n 9\n");
  EXPECT_EQ(unified_hunks(before, "x\n2\n3\n4\n5\n6\n7\n8\ny\n"),
            "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

/// What `patch` makes of a text of whole lines; also checks that the context is that of the text.
std::string patched(const std::string& before, const std::string& hunks) {
  const std::vector<std::string> lines = lines_of(before);
  std::string result;
  std::size_t at = 0;
  for (const std::string& line : lines_of(hunks)) {
    if (line.starts_with("@@ -")) {
      const std::size_t start = std::stoul(line.substr(4));
      const bool is_empty = line.find(",0 +") != std::string::npos;
      for (const std::size_t stop = is_empty ? start : start - 1; at < stop; ++at)
        result += lines.at(at);
    } else if (line.starts_with('+')) {
      result += line.substr(1);
    } else {
      EXPECT_EQ(lines.at(at), line.substr(1));
      if (line.starts_with(' ')) result += lines.at(at);
      ++at;
    }
  }
  for (; at < lines.size(); ++at)
    result += lines[at];
  return result;
}

TEST(TextDiffTest, HunksMakeOneTextOfTheOther) {
  std::mt19937 random(1);
  const auto text = [&] {
    std::string made;
    for (std::size_t lines = random() % 40; lines > 0; --lines)
      made += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
    return made;
  };
  for (int i = 0; i < 500; ++i) {
    const std::string before = text();
    const std::string after = text();
    EXPECT_EQ(patched(before, unified_hunks(before, after)), after) << before << "---\n" << after;
  }
}

std::size_t count_edits(const std::string& hunks) {
  std::size_t edits = 0;
  for (const std::string& line : lines_of(hunks))
    edits += line.starts_with("+") || line.starts_with("-") ? 1U : 0U;
  return edits;
}

TEST(TextDiffTest, TheDifferenceIsSmallest) {
  EXPECT_EQ(count_edits(unified_hunks("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n")), 5);
}

TEST(TextDiffTest, TextsWithNothingInCommonAreReplaced) {
  std::string before = "same\n";
  std::string after = "same\n";
  for (int i = 0; i < 5000; ++i) {
    before += "b" + std::to_string(i) + "\n";
    after += "a" + std::to_string(i) + "\n";
  }
  const std::string hunks = unified_hunks(before + "end\n", after + "end\n");
  EXPECT_TRUE(hunks.starts_with("@@ -1,5002 +1,5002 @@\n same\n-b0\n")) << hunks.substr(0, 50);
  EXPECT_TRUE(hunks.ends_with("+a4999\n end\n"));
}

TEST(TextDiffTest, WhatHasANulIsNoText) {
  EXPECT_TRUE(is_text("caf\xe9\n"));
  EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace layerkit
