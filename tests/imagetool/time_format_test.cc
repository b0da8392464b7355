#include "time_format.h"

#include <gtest/gtest.h>

namespace layerkit {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;

TEST(TimeFormatTest, ReadsRfc3339) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), (Timestamp{0, 0}));
  EXPECT_EQ(parse_rfc3339("2024-05-14T01:28:19.5+02:00"), (Timestamp{1715642899, 500'000'000}));
  EXPECT_EQ(parse_rfc3339("2024-05-13T19:28:19.123456789-04:00"),
            (Timestamp{1715642899, 123'456'789}));
  EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59.25Z"), (Timestamp{-1, 250'000'000}));
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00.1234567891Z"), (Timestamp{1709164800, 123'456'789}));
}

TEST(TimeFormatTest, RefusesWhatIsNotATime) {
  for (const char* text : {"", "2024", "2024-05-14", "2024-05-14T01:28:19", "2024-05-14 01:28:19Z",
                           "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-05-14T24:00:00Z",
                           "2024-05-14T00:60:00Z", "2024-05-14T00:00:60Z", "2024-05-14T00:00:00.Z",
                           "2024-05-14T00:00:00+0200", "2024-05-14T00:00:00+24:00",
                           "2024-05-14T00:00:00Zx", "+024-05-14T00:00:00Z", "24-05-14T00:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(TimeFormatTest, WritesRfc3339InUtcWithoutTrailingZeros) {
  EXPECT_EQ(format_rfc3339({1715642899, 500'000'000}), "2024-05-13T23:28:19.5Z");
  EXPECT_EQ(format_rfc3339({1715642899, 0}), "2024-05-13T23:28:19Z");
  EXPECT_EQ(format_rfc3339({-1, 1}), "1969-12-31T23:59:59.000000001Z");
  EXPECT_EQ(format_rfc3339({-62135596800, 0}), "0001-01-01T00:00:00Z");
}

TEST(TimeFormatTest, WhatIsWrittenIsReadBack) {
  const Timestamp now = current_time();
  EXPECT_EQ(parse_rfc3339(format_rfc3339(now)), now);
}

TEST(TimeFormatTest, WordsDurationsAsDocker) {
  EXPECT_EQ(human_duration(-5), "Less than a second");
  EXPECT_EQ(human_duration(0), "Less than a second");
  EXPECT_EQ(human_duration(1), "1 second");
  EXPECT_EQ(human_duration(59), "59 seconds");
  EXPECT_EQ(human_duration(60), "About a minute");
  EXPECT_EQ(human_duration(119), "About a minute");
  EXPECT_EQ(human_duration(2 * kMinute), "2 minutes");
  EXPECT_EQ(human_duration(kHour - 1), "59 minutes");
  EXPECT_EQ(human_duration(kHour), "About an hour");
  EXPECT_EQ(human_duration(89 * kMinute), "About an hour");
  EXPECT_EQ(human_duration(90 * kMinute), "2 hours");
  EXPECT_EQ(human_duration(47 * kHour), "47 hours");
  EXPECT_EQ(human_duration(48 * kHour), "2 days");
  EXPECT_EQ(human_duration(13 * kDay), "13 days");
  EXPECT_EQ(human_duration(14 * kDay), "2 weeks");
  EXPECT_EQ(human_duration(21 * kDay), "3 weeks");
  EXPECT_EQ(human_duration(60 * kDay), "2 months");
  EXPECT_EQ(human_duration(730 * kDay), "2 years");
}

TEST(TimeFormatTest, AgesEndInAgoUnlessTheTimeSaysNothing) {
  EXPECT_EQ(human_age({100, 0}, {103, 0}), "3 seconds ago");
  EXPECT_EQ(human_age({-62135596800, 0}, {103, 0}), "N/A");
}

TEST(TimeFormatTest, WritesSizesAsDocker) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(999), "999B");
  EXPECT_EQ(human_size(1000), "1kB");
  EXPECT_EQ(human_size(13'256), "13.3kB");
  EXPECT_EQ(human_size(7'630'000), "7.63MB");
  EXPECT_EQ(human_size(123'456'789), "123MB");
  EXPECT_EQ(human_size(999'499), "999kB");
  EXPECT_EQ(human_size(999'500), "1MB");
  EXPECT_EQ(human_size(18'446'744'073'709'551'615U), "18.4EB");
}

}  // namespace
}  // namespace layerkit
