#include "layerkit/imagetool/security_options.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/runner/container.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Words = std::vector<std::string>;

SecurityOptions parse(const Words& texts) {
  SecurityOptions options;
  for (const auto& text : texts)
    parse_security_option(text, options);
  return options;
}

TEST(SecurityOptionsTest, NoNewPrivilegesIsOnOrOff) {
  for (const char* text : {"no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"})
    EXPECT_TRUE(parse({text}).no_new_privileges) << text;
  EXPECT_FALSE(parse({"no-new-privileges", "no-new-privileges=false"}).no_new_privileges);
  expect_error(Errc::Invalid, "neither true nor false", [] { parse({"no-new-privileges=x"}); });
}

TEST(SecurityOptionsTest, SeccompIsAProfileOrNone) {
  EXPECT_EQ(parse({}).seccomp, "");
  EXPECT_EQ(parse({"seccomp=builtin"}).seccomp, "");
  EXPECT_TRUE(parse({"seccomp=unconfined"}).is_seccomp_unconfined());
  EXPECT_EQ(parse({"seccomp:/a/b=c"}).seccomp, "/a/b=c");
}

TEST(SecurityOptionsTest, WhatAsksForNothingIsTaken) {
  EXPECT_EQ(security_option_words(parse({"label=disable", "apparmor=unconfined"})),
            (Words{"apparmor=unconfined", "label=disable"}));
  EXPECT_TRUE(parse({"systempaths=unconfined"}).system_paths_unconfined);
}

TEST(SecurityOptionsTest, OthersAreRefusedByName) {
  for (const char* text : {"nonsense=1", "systempaths=x", "credentialspec=file://x"}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "known are", [&] { parse({text}); });
  }
  for (const char* text : {"", "seccomp", "seccomp="}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "not NAME=VALUE", [&] { parse({text}); });
  }
  expect_error(Errc::Unsupported, "SELinux", [] { parse({"label=type:x"}); });
}

TEST(SecurityOptionsTest, AnAppArmorProfileNeedsAppArmor) {
  if (has_apparmor()) {
    EXPECT_EQ(parse({"apparmor=docker-default"}).apparmor, "docker-default");
    return;
  }
  expect_error(Errc::Unsupported, "this system has no AppArmor",
               [] { parse({"apparmor=docker-default"}); });
}

}  // namespace
}  // namespace layerkit
