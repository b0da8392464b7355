#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Texts = std::vector<std::string>;

/// Parsed, and written again.
std::string again(const std::string& text) {
  Texts warnings;
  return format_branch(parse_branch(text, warnings));
}

Texts warnings_of(const std::string& text) {
  Texts warnings;
  parse_branch(text, warnings);
  return warnings;
}

TEST(BranchTextTest, APathAloneLeavesThePermissionToItsPlace) {
  Texts warnings;
  const BranchText branch = parse_branch("./A", warnings);
  EXPECT_EQ(branch.path, "./A");
  EXPECT_FALSE(branch.access_given);
  EXPECT_EQ(format_branch(branch), "./A");
  EXPECT_TRUE(warnings.empty());
}

TEST(BranchTextTest, ReadsTheThreePermissions) {
  Texts warnings;
  EXPECT_EQ(parse_branch("/a=rw", warnings).access, BranchAccess::ReadWrite);
  EXPECT_EQ(parse_branch("/a=ro", warnings).access, BranchAccess::ReadOnly);
  EXPECT_EQ(parse_branch("/a=rr", warnings).access, BranchAccess::RealReadOnly);
  EXPECT_TRUE(parse_branch("/a=rr", warnings).access_given);
  EXPECT_TRUE(warnings.empty());
}

TEST(BranchTextTest, ReadsEveryAttribute) {
  Texts warnings;
  const BranchAttributes top = parse_branch("/a=rw+nolwh+moo+fhsm+icexsec", warnings).attributes;
  EXPECT_TRUE(top.no_link_whiteouts && top.hierarchical && top.ignore_security_xattr_errors);
  EXPECT_EQ(top.on_open, OnOpen::MoveUp);
  EXPECT_FALSE(top.ignore_xattr_errors);
  const BranchAttributes low =
      parse_branch("/a=ro+wh+coo_reg+icexsys+icextr+icexusr+icexoth", warnings).attributes;
  EXPECT_TRUE(low.whiteouts && low.ignore_system_xattr_errors && low.ignore_trusted_xattr_errors &&
              low.ignore_user_xattr_errors && low.ignore_other_xattr_errors);
  EXPECT_EQ(low.on_open, OnOpen::CopyUpRegular);
  EXPECT_EQ(parse_branch("/a=rr+coo_all", warnings).attributes.on_open, OnOpen::CopyUpAll);
  EXPECT_TRUE(warnings.empty());
}

TEST(BranchTextTest, IcexIsAllOfItsKind) {
  Texts warnings;
  const BranchText branch = parse_branch("/a=ro+icex", warnings);
  EXPECT_TRUE(branch.attributes.ignore_xattr_errors && branch.attributes.ignore_user_xattr_errors);
  EXPECT_EQ(branch, parse_branch("/a=ro+icexoth+icexusr+icextr+icexsys+icexsec", warnings));
  EXPECT_EQ(branch, parse_branch("/a=ro+icex+icexsec", warnings));
  EXPECT_EQ(again("/a=ro+icexsec+icex"), "/a=ro+icex");
}

TEST(BranchTextTest, TheLastOfTheOpenAttributesCounts) {
  EXPECT_EQ(again("/a=rw+moo+coo_reg+coo_all"), "/a=rw+coo_all");
  EXPECT_EQ(again("/a=rw+coo_all+moo"), "/a=rw+moo");
}

TEST(BranchTextTest, IsWrittenInTheOrderOfTheKernel) {
  EXPECT_EQ(again("/a=ro+wh+icexusr+icexsec+fhsm+coo_reg"),
            "/a=ro+coo_reg+fhsm+icexsec+icexusr+wh");
  EXPECT_EQ(again("/a=rw+nolwh+moo"), "/a=rw+moo+nolwh");
}

TEST(BranchTextTest, AnUnknownPermissionIsReadOnly) {
  EXPECT_EQ(again("/a=wr+wh"), "/a=ro");
  EXPECT_EQ(warnings_of("/a=wr+wh"), Texts{"branch '/a': ignored the permission 'wr+wh'"});
  EXPECT_EQ(again("/a=RW"), "/a=ro");
  EXPECT_EQ(again("/a="), "/a=ro");
  EXPECT_EQ(warnings_of("/a="), Texts{});
}

TEST(BranchTextTest, WarnsOfAttributesThatMeanNothing) {
  EXPECT_EQ(again("/a=ro+bogus+unpin+wh"), "/a=ro+wh");
  EXPECT_EQ(warnings_of("/a=ro+bogus+unpin+wh"),
            (Texts{"branch '/a': ignored the attribute 'bogus'",
                   "branch '/a': ignored the attribute 'unpin'"}));
  EXPECT_EQ(warnings_of("/a=rw+"), Texts{"branch '/a': ignored the attribute ''"});
}

TEST(BranchTextTest, DropsAttributesThatThePermissionCannotHave) {
  EXPECT_EQ(again("/a=rw+wh"), "/a=rw");
  EXPECT_EQ(warnings_of("/a=rw+wh"), Texts{"branch '/a': ignored the attribute 'wh'"});
  EXPECT_EQ(again("/a=ro+moo+nolwh"), "/a=ro");
  EXPECT_EQ(warnings_of("/a=ro+moo+nolwh"), (Texts{"branch '/a': ignored the attribute 'nolwh'",
                                                   "branch '/a': ignored the attribute 'moo'"}));
}

TEST(BranchTextTest, ABackslashMakesAnyPathPossible) {
  Texts warnings;
  EXPECT_EQ(parse_branch(R"(/a\=b\:c\,d\\=ro)", warnings).path, R"(/a=b:c,d\)");
  EXPECT_EQ(parse_branch(R"(/a\b\)", warnings).path, R"(/a\b\)");
  EXPECT_EQ(again(R"(/a\=rw)"), R"(/a\=rw)");
  EXPECT_EQ(again(R"(/a\b=rw)"), R"(/a\\b=rw)");
}

TEST(BranchTextTest, RefusesAnEmptyPath) {
  Texts warnings;
  expect_error(Errc::Invalid, "reading the branch '=rw': the path is empty",
               [&] { parse_branch("=rw", warnings); });
  expect_error(Errc::Invalid, "reading the branch '': the path is empty",
               [&] { parse_branch("", warnings); });
}

TEST(BranchTextTest, APermissionIsShownAsTheKernelWould) {
  BranchAttributes attributes;
  attributes.whiteouts = true;
  attributes.on_open = OnOpen::MoveUp;
  EXPECT_EQ(format_permission(BranchAccess::ReadWrite, attributes), "rw+moo");
  EXPECT_EQ(format_permission(BranchAccess::RealReadOnly, attributes), "rr+wh");
  attributes.ignore_xattr_errors = true;
  EXPECT_EQ(format_permission(BranchAccess::ReadOnly, attributes), "ro+icex+wh");
}

}  // namespace
}  // namespace layerkit
