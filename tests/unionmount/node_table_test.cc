#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "fuse/live_branch.h"
#include "fuse/node.h"

namespace layerkit {
namespace {

class NodeTableTest : public ::testing::Test {
 protected:
  Node& enter(mode_t type, std::uint64_t number, Node& parent, const std::string& name) {
    return table_.enter({.type = type,
                         .number = number,
                         .parts = {&branch_},
                         .ino = number,
                         .name = {&parent, name, &branch_},
                         .link = {},
                         .missing_links = 0});
  }

  LiveBranch branch_;
  std::multiset<const Node*> freed_;
  NodeTable table_{{&branch_}, [this](Node& node) { freed_.insert(&node); }};
};

TEST_F(NodeTableTest, ADirectoryStaysAsLongAsNamesInItAreKnown) {
  Node& dir = enter(S_IFDIR, 2, table_.root(), "d");
  Node& file = enter(S_IFREG, 3, dir, "f");
  table_.forget(dir, 1);
  EXPECT_TRUE(freed_.empty());
  EXPECT_EQ(table_.find(table_.root(), "d"), &dir);
  table_.forget(file, 1);
  EXPECT_EQ(freed_, (std::multiset<const Node*>{&dir, &file}));
  EXPECT_EQ(table_.find(table_.root(), "d"), nullptr);
}

TEST_F(NodeTableTest, AFileWithTwoNamesInADirectoryFreesItOnce) {
  Node& dir = enter(S_IFDIR, 2, table_.root(), "d");
  Node& file = enter(S_IFREG, 3, dir, "f");
  EXPECT_EQ(&enter(S_IFREG, 3, dir, "g"), &file);
  table_.forget(dir, 1);
  table_.forget(file, 2);
  EXPECT_EQ(freed_, (std::multiset<const Node*>{&dir, &file}));
}

TEST_F(NodeTableTest, AFileWithNamesInADirectoryAndBelowItFreesEachOnce) {
  for (const bool is_deeper_first : {false, true}) {
    freed_.clear();
    Node& dir = enter(S_IFDIR, 2, table_.root(), "d");
    Node& below = enter(S_IFDIR, 4, dir, "e");
    Node& file = enter(S_IFREG, 3, is_deeper_first ? below : dir, "f");
    EXPECT_EQ(&enter(S_IFREG, 3, is_deeper_first ? dir : below, "g"), &file);
    table_.forget(dir, 1);
    table_.forget(below, 1);
    EXPECT_TRUE(freed_.empty());
    table_.forget(file, 2);
    EXPECT_EQ(freed_, (std::multiset<const Node*>{&dir, &below, &file}));
  }
}

TEST_F(NodeTableTest, APinKeepsANodeThatTheKernelForgot) {
  Node& file = enter(S_IFREG, 3, table_.root(), "f");
  table_.pin(file);
  table_.forget(file, 1);
  EXPECT_TRUE(freed_.empty());
  table_.unpin(file);
  EXPECT_EQ(freed_.count(&file), 1U);
}

}  // namespace
}  // namespace layerkit
