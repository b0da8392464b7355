#include <gtest/gtest.h>

#include "control/message.h"
#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(ControlMessageTest, WordsKeepEveryByteButNul) {
  std::string bytes;
  for (int value = 1; value < 256; ++value)
    bytes += static_cast<char>(static_cast<unsigned char>(value));
  const std::string word = escape_word(bytes);
  EXPECT_EQ(word.find_first_of(" \n\t"), std::string::npos);
  EXPECT_EQ(unescape_word(word), bytes);
}

TEST(ControlMessageTest, BadEscapesAreRefused) {
  for (const char* word : {"a\\", "\\01", "\\089", "\\400", "\\777", "\\000", "\\x41", "\\ 41"}) {
    expect_error(Errc::Invalid, "bad escape", [&] { static_cast<void>(unescape_word(word)); });
  }
}

TEST(ControlMessageTest, RequestsAreWordsInALine) {
  EXPECT_EQ(format_request(DeleteBranch{"/a b"}), "delete /a\\040b");
  EXPECT_EQ(format_request(ListBranches{}), "branches");
  EXPECT_EQ(format_request(UnmountUnion{UnmountMode::Lazy}), "unmount lazy");
  EXPECT_EQ(format_request(ChangeSettings{"udba=none"}), "settings udba=none");
  BranchText branch;
  branch.path = "/x:=,y";
  branch.access = BranchAccess::ReadOnly;
  branch.attributes.whiteouts = true;
  EXPECT_EQ(format_request(InsertBranch{-1, branch}), "insert -1 ro+wh /x:=,y");
  EXPECT_EQ(format_request(ModifyBranch{branch}), "modify ro+wh /x:=,y");
}

TEST(ControlMessageTest, RequestsAreReadBack) {
  BranchText branch;
  branch.path = "/br\nanch\\ =ro";
  branch.access = BranchAccess::ReadWrite;
  branch.attributes.no_link_whiteouts = true;
  const auto insert =
      std::get<InsertBranch>(parse_request(format_request(InsertBranch{3, branch})));
  EXPECT_EQ(insert.index, 3);
  EXPECT_EQ(insert.branch.path, branch.path);
  EXPECT_EQ(insert.branch.access, branch.access);
  EXPECT_EQ(insert.branch.attributes, branch.attributes);
  const auto modify = std::get<ModifyBranch>(parse_request(format_request(ModifyBranch{branch})));
  EXPECT_EQ(modify.branch.path, branch.path);
  EXPECT_EQ(modify.branch.attributes, branch.attributes);
  EXPECT_EQ(std::get<DeleteBranch>(parse_request("delete /a\\040b")).path, "/a b");
  EXPECT_EQ(std::get<Attached>(parse_request("attached /mnt")).path, "/mnt");
  EXPECT_EQ(std::get<ChangeSettings>(parse_request("settings ")).options, "");
  EXPECT_TRUE(std::holds_alternative<ListBranches>(parse_request("branches")));
  EXPECT_EQ(std::get<UnmountUnion>(parse_request("unmount now")).mode, UnmountMode::Now);
}

TEST(ControlMessageTest, WhatIsNoRequestIsRefused) {
  for (const char* line : {"", " ", "reboot", "branches now", "delete", "delete /a /b",
                           "insert 0 rw", "insert x rw /a", "insert -2 rw /a",
                           "insert 99999999999 rw /a", "insert 0 rx /a", "insert 0 rw+bogus /a",
                           "modify rw", "unmount", "unmount soon", "settings", "delete /a\\"}) {
    expect_error(Errc::Invalid, "reading a request",
                 [&] { static_cast<void>(parse_request(line)); });
  }
}

TEST(ControlMessageTest, ErrorsAreTheSameOnBothSides) {
  const Error sent = Error::from_errno(EBUSY, "deleting branch '/a\nb'");
  const Error received = parse_error(format_error(sent));
  EXPECT_EQ(format_error(sent).find('\n'), std::string::npos);
  EXPECT_EQ(received.code(), Errc::Busy);
  EXPECT_EQ(received.sys_errno(), EBUSY);
  EXPECT_EQ(received.message(), sent.message());
  for (const Errc code : {Errc::Invalid, Errc::NotFound, Errc::Exists, Errc::Busy, Errc::Limit,
                          Errc::Integrity, Errc::Unsupported, Errc::Interrupted, Errc::Io}) {
    EXPECT_EQ(parse_error(format_error(Error(code, "x"))).code(), code);
  }
}

TEST(ControlMessageTest, WhatIsNoErrorIsOne) {
  for (const char* line : {"", "error", "error busy", "error busy 16", "error nonsense 16 text",
                           "error busy many text", "ok"}) {
    const Error error = parse_error(line);
    EXPECT_EQ(error.code(), Errc::Io) << line;
    EXPECT_NE(error.message().find("the server of the union says"), std::string::npos);
  }
}

TEST(ControlMessageTest, ABranchIsALineAsInAufsSysfs) {
  EXPECT_EQ(format_branch_line({"/a b=c\n", "ro+wh", 7}), "/a\\040b=c\\012=ro+wh\n");
}

TEST(ControlMessageTest, BranchListsAreReadBack) {
  const std::vector<BranchState> branches = {{"/a b", "rw", 3}, {"/c", "ro+wh", 0}};
  EXPECT_EQ(format_branches(branches), "3 rw /a\\040b\n0 ro+wh /c\n");
  const auto read = parse_branches(format_branches(branches));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].path, "/a b");
  EXPECT_EQ(read[0].permission, "rw");
  EXPECT_EQ(read[0].id, 3);
  EXPECT_EQ(read[1].path, "/c");
  for (const char* text : {"x rw /a", "1 rw", "1", "1 rw /a\\"})
    EXPECT_THROW(static_cast<void>(parse_branches(text)), Error) << text;
}

}  // namespace
}  // namespace layerkit
