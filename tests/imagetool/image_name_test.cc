#include <gtest/gtest.h>

#include <string>

#include "expect_error.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit {
namespace {

using testing::expect_error;

struct Valid {
  const char* text;
  const char* familiar;
  const char* full;
};

class ValidNameTest : public ::testing::TestWithParam<Valid> {};

TEST_P(ValidNameTest, HasAFamiliarAndAFullForm) {
  const ImageName name = ImageName::parse(GetParam().text);
  EXPECT_EQ(name.str(), GetParam().familiar);
  EXPECT_EQ(name.full(), GetParam().full);
}

TEST_P(ValidNameTest, BothFormsAreReadAsTheSameName) {
  const ImageName name = ImageName::parse(GetParam().text);
  EXPECT_EQ(ImageName::parse(name.str()), name);
  EXPECT_EQ(ImageName::parse(name.full()), name);
}

const std::string kLongestTag(128, 't');
const std::string kLongTagName = "a:" + kLongestTag;
const std::string kLongTagFull = "docker.io/library/a:" + kLongestTag;

INSTANTIATE_TEST_SUITE_P(
    All,
    ValidNameTest,
    ::testing::Values(
        Valid{"debian", "debian:latest", "docker.io/library/debian:latest"},
        Valid{"debian:12", "debian:12", "docker.io/library/debian:12"},
        Valid{"library/debian:12", "debian:12", "docker.io/library/debian:12"},
        Valid{"docker.io/library/debian:12", "debian:12", "docker.io/library/debian:12"},
        Valid{"docker.io/debian", "debian:latest", "docker.io/library/debian:latest"},
        Valid{"index.docker.io/debian", "debian:latest", "docker.io/library/debian:latest"},
        Valid{"team/app", "team/app:latest", "docker.io/team/app:latest"},
        Valid{"example.org/app", "example.org/app:latest", "example.org/app:latest"},
        Valid{"example.org:5000/team/app:1.2-x_Y", "example.org:5000/team/app:1.2-x_Y",
              "example.org:5000/team/app:1.2-x_Y"},
        Valid{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
        Valid{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"},
        Valid{"UPPER/app", "UPPER/app:latest", "UPPER/app:latest"},
        Valid{"[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1"},
        Valid{"x/a-b_c__d.e---f", "x/a-b_c__d.e---f:latest", "docker.io/x/a-b_c__d.e---f:latest"},
        Valid{"docker.io/localhost/app", "docker.io/localhost/app:latest",
              "docker.io/localhost/app:latest"},
        Valid{"docker.io/library/a/b", "library/a/b:latest", "docker.io/library/a/b:latest"},
        Valid{"docker.io/library/"
              "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef:1",
              "docker.io/library/"
              "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef:1",
              "docker.io/library/"
              "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef:1"},
        Valid{kLongTagName.c_str(), kLongTagName.c_str(), kLongTagFull.c_str()}));

class InvalidNameTest : public ::testing::TestWithParam<const char*> {};

TEST_P(InvalidNameTest, IsRefusedWithItsText) {
  expect_error(Errc::Invalid, "reading image name '", [] { ImageName::parse(GetParam()); });
}

const std::string kTagTooLong = "a:" + std::string(129, 't');
const std::string kNameTooLong = std::string(256, 'a');

INSTANTIATE_TEST_SUITE_P(All,
                         InvalidNameTest,
                         ::testing::Values("",
                                           ":",
                                           ":12",
                                           "debian:",
                                           "debian:.x",
                                           "debian:-x",
                                           "debian:a b",
                                           "Debian",
                                           "team/App",
                                           "a/",
                                           "/a",
                                           "a//b",
                                           "../a",
                                           "a/../b",
                                           "a..b",
                                           "a___b",
                                           "_a",
                                           "a-",
                                           "a b",
                                           "a\nb",
                                           "example.org:port/app",
                                           "-example.org/app",
                                           "example..org/app",
                                           "[::1/app",
                                           "a@sha256:abc",
                                           "sha256:"
                                           "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf1"
                                           "0ace3c6ef@x",
                                           "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf1"
                                           "0ace3c6ef",
                                           kTagTooLong.c_str(),
                                           kNameTooLong.c_str()));

TEST(ImageNameTest, SaysWhatIsWrong) {
  expect_error(Errc::Invalid, "reading image name 'Debian': the repository must be lower-case",
               [] { ImageName::parse("Debian"); });
  expect_error(Errc::Invalid, "reading image name 'a:b c': invalid tag",
               [] { ImageName::parse("a:b c"); });
  expect_error(Errc::Invalid, "reading image name 'a\\x1b': invalid reference format",
               [] { ImageName::parse("a\x1b"); });
}

TEST(ImageNameTest, TheDefaultTagIsLatest) {
  EXPECT_EQ(ImageName::parse("localhost:5000/app").tag(), "latest");
  EXPECT_EQ(ImageName::parse("localhost:5000/app").repository(), "localhost:5000/app");
}

}  // namespace
}  // namespace layerkit
