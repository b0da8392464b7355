#include "layerkit/imagetool/user_lookup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "app:x:1000:1001::/home/app:/bin/sh\n"
    "nohome:x:7:7:::\n"
    "12:x:34:35::/twelve:/bin/sh\n";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "bin:x:1:root,daemon\n"
    "wheel:x:10:root,app\n"
    "app:x:1001:\n";

ContainerUser find(std::string_view spec) {
  return find_user(kPasswd, kGroup, spec);
}

TEST(UserLookupTest, NobodyAskedForIsRootWithItsGroups) {
  EXPECT_EQ(find(""), (ContainerUser{0, 0, {1, 10}, "/root"}));
}

TEST(UserLookupTest, NamesBringGroupHomeAndMemberships) {
  EXPECT_EQ(find("app"), (ContainerUser{1000, 1001, {10}, "/home/app"}));
  EXPECT_EQ(find("1000"), (ContainerUser{1000, 1001, {10}, "/home/app"}));
  EXPECT_EQ(find("nohome").home, "/");
}

TEST(UserLookupTest, ANameMayLookLikeANumber) {
  EXPECT_EQ(find("12").uid, 34U);
}

TEST(UserLookupTest, UnknownNumbersStandForThemselves) {
  EXPECT_EQ(find("4242"), (ContainerUser{4242, 0, {}, "/"}));
  EXPECT_EQ(find("4242:99"), (ContainerUser{4242, 99, {}, "/"}));
  EXPECT_EQ(find_user("", "", ""), (ContainerUser{0, 0, {}, "/"}));
}

TEST(UserLookupTest, AGivenGroupDropsMemberships) {
  EXPECT_EQ(find("app:wheel"), (ContainerUser{1000, 10, {}, "/home/app"}));
  EXPECT_EQ(find(":wheel"), (ContainerUser{0, 10, {}, "/root"}));
  EXPECT_EQ(find("app:").additional_gids, std::vector<std::uint32_t>{10});
}

TEST(UserLookupTest, UnknownNamesAreErrors) {
  expect_error(Errc::NotFound, "unable to find user 'eve': no matching entries in passwd file",
               [] { find("eve"); });
  expect_error(Errc::NotFound, "unable to find group 'evil': no matching entries in group file",
               [] { find("app:evil"); });
  expect_error(Errc::Invalid, "invalid user specification", [] { find("a:b:c"); });
}

TEST(UserLookupTest, NumbersDoNotWrapAround) {
  for (const char* spec : {"4294967295", "4294967296", "-1", "18446744073709551616", "+0", " 0"}) {
    expect_error(Errc::NotFound, "unable to find user", [&] { find(spec); });
  }
  expect_error(Errc::NotFound, "unable to find group", [] { find("0:4294967296"); });
}

TEST(UserLookupTest, MalformedLinesArePassedOver) {
  constexpr std::string_view kHostile =
      "app\napp:x\napp:x:0\napp:x:-1:0::/:/\napp:x:4294967296:0::/:/\napp:x:1 :0::/:/\n"
      ":x:0:0::/:/\napp:x:0:0::/:/:extra\n\n\napp:x:55:66::/found:/bin/sh";
  EXPECT_EQ(find_user(kHostile, "x\nx:y:z\n", "app"), (ContainerUser{55, 66, {}, "/found"}));
}

class UserLookupFilesTest : public ::testing::Test {
 protected:
  UserLookupFilesTest() { make_dir_at(dir_.fd(), "etc", 0755); }
  ContainerUser find_here(std::string_view spec) {
    return find_user(RootDir(open_dir_at(AT_FDCWD, dir_.path())), spec);
  }
  TempDir dir_;
};

TEST_F(UserLookupFilesTest, MissingFilesKnowOnlyNumbers) {
  EXPECT_EQ(find_here("5:6"), (ContainerUser{5, 6, {}, "/"}));
  expect_error(Errc::NotFound, "looking up user 'app'", [&] { find_here("app"); });
}

TEST_F(UserLookupFilesTest, SymlinksStayInsideTheRoot) {
  write_file_at(AT_FDCWD, dir_.path("real"), kPasswd, 0644);
  make_symlink_at("/real", AT_FDCWD, dir_.path("etc/passwd"));
  EXPECT_EQ(find_here("app").uid, 1000U);
  TempDir outside;
  write_file_at(AT_FDCWD, outside.path("passwd"), "eve:x:6:6::/:/\n", 0644);
  make_symlink_at(outside.path("passwd"), AT_FDCWD, dir_.path("etc/group"));
  expect_error(Errc::NotFound, "unable to find user 'eve'", [&] { find_here("eve"); });
}

TEST_F(UserLookupFilesTest, AFifoIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(::mkfifo(dir_.path("etc/passwd").c_str(), 0644), 0);
  expect_error(Errc::Invalid, "it is not a regular file", [&] { find_here("0"); });
}

TEST_F(UserLookupFilesTest, AHugeFileIsRefused) {
  write_file_at(AT_FDCWD, dir_.path("etc/passwd"), "", 0644);
  ASSERT_EQ(::truncate(dir_.path("etc/passwd").c_str(), off_t{1} << 40), 0);
  expect_error(Errc::Limit, "passwd", [&] { find_here("0"); });
}

}  // namespace
}  // namespace layerkit
