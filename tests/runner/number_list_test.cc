#include "number_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

NumberMask parse(std::string_view text) {
  return NumberMask::parse(text, "numbers");
}

std::vector<std::size_t> numbers_of(std::string_view text) {
  constexpr std::size_t kWordBits = 8 * sizeof(unsigned long);
  const NumberMask mask = parse(text);
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < mask.bytes() * 8; ++i)
    if ((mask.words()[i / kWordBits] >> i % kWordBits & 1U) != 0) numbers.push_back(i);
  return numbers;
}

TEST(NumberListTest, RangesAndNumbers) {
  EXPECT_EQ(numbers_of("0-2,7"), (std::vector<std::size_t>{0, 1, 2, 7}));
  EXPECT_EQ(numbers_of("63"), (std::vector<std::size_t>{63}));
  EXPECT_EQ(numbers_of("62-65"), (std::vector<std::size_t>{62, 63, 64, 65}));
  EXPECT_EQ(numbers_of("10-200").size(), 191U);
  EXPECT_EQ(numbers_of("0-8191").size(), 8192U);
  EXPECT_TRUE(parse(" ").empty());
}

TEST(NumberListTest, OtherTextsAreRefused) {
  for (const char* text : {"a", "1-", "-1", "2-1", "1,,2", "8192", "0-18446744073709551616"})
    expect_error(Errc::Invalid, "not a list of numbers", [&] { parse(text); });
}

/// Number by number it would be ten thousand million.
TEST(NumberListTest, TheLongestListIsReadByWords) {
  std::string text;
  while (text.size() < 8U << 20U)
    text += "0-8191,";
  EXPECT_EQ(numbers_of(text + "5").size(), 8192U);
}

}  // namespace
}  // namespace layerkit::runner
