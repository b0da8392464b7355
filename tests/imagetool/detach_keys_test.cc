#include "detach_keys.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit::testing {
namespace {

TEST(DetachKeysTest, TheDefaultKeysEndTheSession) {
  DetachKeys keys("");
  EXPECT_EQ(keys.feed("ls\n"), "ls\n");
  EXPECT_EQ(keys.feed("\x10"), "") << "it may be the start of the keys";
  EXPECT_FALSE(keys.are_complete());
  EXPECT_EQ(keys.feed("\x11not sent"), "");
  EXPECT_TRUE(keys.are_complete());
}

TEST(DetachKeysTest, WhatWasHeldBackFollowsWhenItWasSomethingElse) {
  DetachKeys keys("ctrl-p,ctrl-q");
  EXPECT_EQ(keys.feed("a\x10"), "a");
  EXPECT_EQ(keys.feed("\x10"), "\x10") << "the second one may be the start, too";
  EXPECT_EQ(keys.feed("b"),
            "\x10"
            "b");
  EXPECT_FALSE(keys.are_complete());
}

TEST(DetachKeysTest, KeysAreCharactersOrControlCharacters) {
  DetachKeys keys("ctrl-a,x,ctrl-[");
  EXPECT_EQ(keys.feed("\x01x\x1b"), "");
  EXPECT_TRUE(keys.are_complete());
}

TEST(DetachKeysTest, OtherKeysAreRefused) {
  for (const char* wrong : {"ctrl-", "ctrl-P", "escape", "a,,b", "ctrl-1"}) {
    expect_error(Errc::Invalid, std::string("invalid detach keys '") + wrong + "'",
                 [&] { DetachKeys{wrong}; });
  }
}

}  // namespace
}  // namespace layerkit::testing
