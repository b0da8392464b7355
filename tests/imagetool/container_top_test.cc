#include "layerkit/imagetool/container_top.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "expect_error.h"
#include "process_columns.h"

namespace layerkit::testing {
namespace {

using Words = std::vector<std::string>;

TEST(ProcessColumnsTest, WithoutArgumentsTheyAreThoseOfPsEf) {
  const Words full = {"euser", "pid", "ppid", "c", "stime", "tty", "time", "cmd"};
  EXPECT_EQ(parse_process_columns({}), full);
  EXPECT_EQ(parse_process_columns({"-ef"}), full);
  EXPECT_EQ(parse_process_columns({"-e", "-f"}), full);
  EXPECT_EQ(parse_process_columns({"aux"}).at(2), "%cpu");
}

TEST(ProcessColumnsTest, ColumnsAreNamedAsForPs) {
  const Words two = {"pid", "comm"};
  EXPECT_EQ(parse_process_columns({"-o", "pid,comm"}), two);
  EXPECT_EQ(parse_process_columns({"-eo", "pid", "-ocomm"}), two);
  EXPECT_EQ(parse_process_columns({"pid", "comm"}), two);
}

TEST(ProcessColumnsTest, WhatIsNotKnownIsRefused) {
  expect_error(Errc::Invalid, "'nosuch' is not the name of a column", [] {
    parse_process_columns({"-o", "pid,nosuch"});
  });
  expect_error(Errc::Invalid, "'-o': the names of columns are missing",
               [] { parse_process_columns({"-o"}); });
  expect_error(Errc::Invalid, "'-Z': only -ef, aux, -o COLUMN,... and names of columns are known",
               [] { parse_process_columns({"-Z"}); });
}

TEST(ProcessColumnsTest, AProcessIsReadFromProc) {
  const auto self = read_process(::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->parent, static_cast<std::uint64_t>(::getppid()));
  EXPECT_EQ(self->uid, ::geteuid());
  EXPECT_NE(self->command.find("imagetool_options_test"), std::string::npos) << self->command;
  EXPECT_GT(self->resident_bytes, 0U);
  const Machine machine = read_machine();
  EXPECT_GT(machine.memory_bytes, self->resident_bytes);
  for (const auto& name : parse_process_columns({"aux"}))
    EXPECT_NE(find_process_column(name)->text(*self, machine), "") << name;
}

TEST(ProcessColumnsTest, AProcessThatIsGoneIsNothing) {
  EXPECT_FALSE(read_process(0x3FFFFFFF));
}

}  // namespace
}  // namespace layerkit::testing
