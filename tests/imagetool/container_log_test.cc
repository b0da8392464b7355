#include "layerkit/imagetool/container_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::TempDir;

Timestamp fixed_clock() {
  return {1715642917, 500000000};
}

class ContainerLogTest : public ::testing::Test {
 protected:
  LogWriter writer() {
    return LogWriter(open_at(dir_.fd(), "log", O_WRONLY | O_CREAT | O_APPEND, 0600), fixed_clock);
  }
  std::string bytes() { return read_file_at(dir_.fd(), "log", 1 << 20); }
  LogReader reader() { return LogReader(open_at(dir_.fd(), "log", O_RDONLY)); }
  TempDir dir_;
};

TEST_F(ContainerLogTest, LinesAreDockersJsonFile) {
  auto log = writer();
  log.write(LogStream::Output, "a \"b\"\n");
  log.write(LogStream::Error, "c\n");
  EXPECT_EQ(bytes(), R"({"log":"a \"b\"\n","stream":"stdout","time":"2024-05-13T23:28:37.5Z"})"
                     "\n"
                     R"({"log":"c\n","stream":"stderr","time":"2024-05-13T23:28:37.5Z"})"
                     "\n");
}

TEST_F(ContainerLogTest, LinesAreWrittenWhenTheyAreWhole) {
  auto log = writer();
  log.write(LogStream::Output, "be");
  log.write(LogStream::Error, "other\n");
  log.write(LogStream::Output, "gin\nend");
  auto read = reader();
  EXPECT_EQ(read.next()->text, "other\n");
  EXPECT_EQ(read.next()->text, "begin\n");
  EXPECT_FALSE(read.next());
  log.finish();
  EXPECT_EQ(read.next()->text, "end");
  EXPECT_FALSE(read.next());
}

TEST_F(ContainerLogTest, LongLinesComeInPieces) {
  auto log = writer();
  const std::string line(kMaxLogText + 10, 'x');
  log.write(LogStream::Output, line + "\n");
  auto read = reader();
  EXPECT_EQ(read.next()->text.size(), kMaxLogText);
  EXPECT_EQ(read.next()->text, std::string(10, 'x') + "\n");
}

TEST_F(ContainerLogTest, BytesThatAreNotTextDoNotBreakTheFile) {
  auto log = writer();
  log.write(LogStream::Output, std::string("\xff\x00\x1b\n", 4));
  const auto line = reader().next();
  ASSERT_TRUE(line);
  EXPECT_EQ(line->text, std::string("\xEF\xBF\xBD\x00\x1b\n", 6));
}

TEST_F(ContainerLogTest, BrokenLinesArePassedOver) {
  write_file_at(dir_.fd(), "log",
                "{\"log\":\"half\nnull\n[]\n{\"log\":1}\n" +
                    format_log_line({LogStream::Error, "good\n", "t"}) + "{\"log\":\"unfini",
                0600);
  auto read = reader();
  const auto line = read.next();
  ASSERT_TRUE(line);
  EXPECT_EQ(line->text, "good\n");
  EXPECT_EQ(line->stream, LogStream::Error);
  EXPECT_FALSE(read.next());
}

}  // namespace
}  // namespace layerkit
