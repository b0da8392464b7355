#include "layerkit/base/text.h"

#include <gtest/gtest.h>

namespace layerkit {
namespace {

TEST(TextTest, QuotedEscapesWhatATerminalObeys) {
  EXPECT_EQ(quoted("plain"), "'plain'");
  EXPECT_EQ(quoted("a\nb\tc\rd"), "'a\\nb\\tc\\rd'");
  EXPECT_EQ(quoted("\x1b[2J"), "'\\x1b[2J'");
  EXPECT_EQ(quoted("it's a \\"), "'it\\'s a \\\\'");
  EXPECT_EQ(quoted(std::string_view("a\0b", 3)), "'a\\x00b'");
}

TEST(TextTest, QuotedKeepsValidUtf8AndEscapesTheRest) {
  EXPECT_EQ(quoted("é€😀"), "'é€😀'");
  EXPECT_EQ(quoted("\xc3"), "'\\xc3'");
  EXPECT_EQ(quoted("\xc0\xaf"), "'\\xc0\\xaf'");           // overlong '/'
  EXPECT_EQ(quoted("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");  // surrogate
  EXPECT_EQ(quoted("\xc2\x9b"), "'\\xc2\\x9b'");           // C1 control: CSI
  EXPECT_EQ(quoted("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");
}

TEST(TextTest, QuotedCutsWhatNobodyReads) {
  const std::string long_text(4096, 'a');
  EXPECT_EQ(quoted(long_text), "'" + long_text + "'");
  EXPECT_EQ(quoted(long_text + "bc"), "'" + long_text + "...' (4098 bytes)");
}

TEST(TextTest, EscapedLeavesQuotesAlone) {
  EXPECT_EQ(escaped("it's\n"), "it's\\n");
}

TEST(TextTest, DecimalTakesOnlyWholeNumbersThatFit) {
  EXPECT_EQ(parse_decimal("0"), 0U);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
  }
}

TEST(TextTest, SplitKeepsEmptyPieces) {
  EXPECT_EQ(split("a::b", ':'), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ':'), (std::vector<std::string_view>{""}));
}

TEST(TextTest, RandomHexHasTheAskedLengthAndDiffers) {
  EXPECT_EQ(random_hex(7).size(), 7U);
  EXPECT_EQ(random_hex(64).find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(random_hex(64), random_hex(64));
}

}  // namespace
}  // namespace layerkit
