#include "layerkit/base/error.h"

#include <gtest/gtest.h>

namespace layerkit {
namespace {

TEST(ErrorTest, ContextIsPutInFrontOnTheWayUp) {
  try {
    with_context([] { return std::string("importing layer 2/5"); },
                 [] { fail(Errc::Invalid, "reading {}: too short", "'a'"); });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "importing layer 2/5: reading 'a': too short");
    EXPECT_EQ(error.code(), Errc::Invalid);
    EXPECT_EQ(error.sys_errno(), 0);
  }
}

TEST(ErrorTest, SystemErrorsKeepTheirErrnoAndSayIt) {
  const Error error = Error::from_errno(ENOSPC, "writing 'x'");
  EXPECT_STREQ(error.what(), "writing 'x': No space left on device");
  EXPECT_EQ(error.sys_errno(), ENOSPC);
  EXPECT_EQ(error.code(), Errc::Io);
}

TEST(ErrorTest, ErrnosThatCallersBranchOnHaveTheirOwnCode) {
  EXPECT_EQ(Error::from_errno(ENOENT, "x").code(), Errc::NotFound);
  EXPECT_EQ(Error::from_errno(EEXIST, "x").code(), Errc::Exists);
  EXPECT_EQ(Error::from_errno(ENOTEMPTY, "x").code(), Errc::Exists);
  EXPECT_EQ(Error::from_errno(EBUSY, "x").code(), Errc::Busy);
}

TEST(ErrorTest, ContextReturnsTheValueOfTheWork) {
  EXPECT_EQ(with_context([] { return std::string("never"); }, [] { return 7; }), 7);
}

TEST(ErrorTest, UnknownErrnoHasAText) {
  EXPECT_EQ(errno_text(99999), "error 99999");
}

}  // namespace
}  // namespace layerkit
