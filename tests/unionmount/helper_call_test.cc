#include "cli/helper_call.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit::cli {
namespace {

using layerkit::testing::expect_error;

TEST(HelperCallTest, ReadsWhatMountPasses) {
  const HelperCall call =
      parse_helper_call({"/sbin/mount.aufs", "none", "/mnt", "-o", "rw,br:/a:/b"});
  EXPECT_EQ(call.request.type, UnionType::Automatic);
  EXPECT_EQ(call.request.source, "none");
  EXPECT_EQ(call.request.mount_point, "/mnt");
  EXPECT_EQ(call.request.options, "rw,br:/a:/b");
  EXPECT_FALSE(call.request.verbose || call.request.dry || call.request.foreground);
}

TEST(HelperCallTest, OptionsMayStandAnywhereAndTogether) {
  const HelperCall call = parse_helper_call({"mount.fuse.aufs", "-snfv", "none", "-oa=1", "-t",
                                             "fuse.aufs", "-N", "12", "-o", "b", "--", "-dir"});
  EXPECT_EQ(call.request.type, UnionType::Fuse);
  EXPECT_EQ(call.request.options, "a=1,b");
  EXPECT_EQ(call.request.mount_point, "-dir");
  EXPECT_EQ(call.mount_namespace, "12");
  EXPECT_TRUE(call.request.verbose && call.request.dry);
}

TEST(HelperCallTest, AnythingElseIsRefused) {
  struct Case {
    std::vector<std::string> arguments;
    std::string text;
  };
  const std::vector<Case> cases = {{{"mount.aufs"}, "usage: mount.aufs SOURCE DIRECTORY"},
                                   {{"mount.aufs", "none"}, "usage: "},
                                   {{"mount.aufs", "none", "/a", "/b"}, "usage: "},
                                   {{"mount.aufs", "none", "/a", "-o"}, "flag needs a value: '-o'"},
                                   {{"mount.aufs", "none", "/a", "-x"}, "unknown flag: '-x'"},
                                   {{"mount.aufs", "none", "/a", "--help"}, "unknown flag: '--'"}};
  for (const Case& one : cases) {
    expect_error(Errc::Invalid, one.text,
                 [&] { static_cast<void>(parse_helper_call(one.arguments)); });
  }
}

TEST(HelperCallTest, ExitCodesAreThoseOfMount) {
  EXPECT_EQ(helper_exit_code(Error(Errc::Invalid, "")), 32);
  EXPECT_EQ(helper_exit_code(Error::from_errno(EPERM, "")), 1);
  EXPECT_EQ(helper_exit_code(Error::from_errno(EACCES, "")), 1);
  EXPECT_EQ(helper_exit_code(Error::from_errno(ENOMEM, "")), 2);
  EXPECT_EQ(helper_exit_code(Error(Errc::Interrupted, "")), 8);
  EXPECT_EQ(helper_exit_code(Error::from_errno(ENOENT, "")), 32);
}

TEST(HelperCallTest, TypesAreNamed) {
  EXPECT_EQ(parse_union_type("auto"), UnionType::Automatic);
  EXPECT_EQ(parse_union_type("overlay"), UnionType::Overlay);
  EXPECT_EQ(parse_union_type("aufs"), UnionType::Aufs);
  EXPECT_EQ(parse_union_type("fuse"), UnionType::Fuse);
  expect_error(Errc::Invalid, "'nfs' is no type of union",
               [] { static_cast<void>(parse_union_type("nfs")); });
}

}  // namespace
}  // namespace layerkit::cli
