#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "layerkit/runner/documents.h"
#include "seccomp/seccomp_words.h"

namespace layerkit::runner {
namespace {

nlohmann::json seccomp_features() {
  return nlohmann::json::parse(runtime_features())["linux"]["seccomp"];
}

bool has(const nlohmann::json& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

TEST(FeaturesTest, EveryWordOfSeccompIsTaken) {
  const nlohmann::json seccomp = seccomp_features();
  for (const std::string word : seccomp["actions"])
    EXPECT_NO_THROW(seccomp_action(word, std::nullopt)) << word;
  for (const std::string word : seccomp["operators"])
    EXPECT_NO_THROW(seccomp_comparison(word)) << word;
  for (const std::string word : seccomp["archs"])
    EXPECT_NO_THROW(seccomp_architecture(word)) << word;
  for (const std::string word : seccomp["knownFlags"])
    EXPECT_NO_THROW(seccomp_flag(word)) << word;
  EXPECT_EQ(seccomp["supportedFlags"], seccomp["knownFlags"]);
}

TEST(FeaturesTest, WhatSeccompTakesIsTold) {
  const nlohmann::json seccomp = seccomp_features();
  for (const char* word : {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE"})
    EXPECT_TRUE(has(seccomp["actions"], word)) << word;
  EXPECT_EQ(seccomp["operators"].size(), 7U);
  for (const char* word : {"SCMP_ARCH_PARISC", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"})
    EXPECT_TRUE(has(seccomp["archs"], word)) << word;
  EXPECT_TRUE(has(seccomp["knownFlags"], "SECCOMP_FILTER_FLAG_TSYNC"));
}

}  // namespace
}  // namespace layerkit::runner
