#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "expect_error.h"
#include "forwarding_tree.h"
#include "layer_stack.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

class UnionViewTest : public PrivateMountsTest {
 protected:
  LayerStack stack_;
};

TEST_F(UnionViewTest, NoLayersAreAnEmptyRoot) {
  const auto view = make_union_view({});
  EXPECT_EQ(dump_tree(*view), (TreeDump{{"", "dir 0755 0:0 0.000000000"}}));
  EXPECT_FALSE(view->lookup(RelPath::parse("x")));
}

TEST_F(UnionViewTest, MergesDirectoriesAndTakesTheTopmostAttributes) {
  stack_.apply({dir("d").mode(0700), file("d/a", "low"), file("d/b", "low")});
  stack_.apply({dir("d").mode(0711), file("d/b", "high"), file("d/c", "high")});
  const auto view = stack_.view();
  EXPECT_EQ(view->list(RelPath::parse("d")), (Names{"a", "b", "c"}));
  EXPECT_EQ(view->lookup(RelPath::parse("d"))->mode, 0711U);
  EXPECT_EQ(read_all(*view->open(RelPath::parse("d/b")), 100, "b"), "high");
  EXPECT_EQ(read_all(*view->open(RelPath::parse("d/a")), 100, "a"), "low");
}

TEST_F(UnionViewTest, OpaqueAncestorHidesLowerChildrenOfItsSubdirectories) {
  stack_.apply({dir("d"), dir("d/s"), file("d/s/low")});
  stack_.apply({dir("d"), opaque("d"), dir("d/s"), file("d/s/high")});
  EXPECT_EQ(stack_.view()->list(RelPath::parse("d/s")), Names{"high"});
  EXPECT_FALSE(stack_.view()->lookup(RelPath::parse("d/s/low")));
}

TEST_F(UnionViewTest, FileInTheMiddleCutsWhatIsBelow) {
  stack_.apply({dir("d"), file("d/low")});
  stack_.apply({file("d")});
  stack_.apply({dir("d"), file("d/high")});
  EXPECT_EQ(stack_.view()->list(RelPath::parse("d")), Names{"high"});
  EXPECT_FALSE(stack_.view()->lookup(RelPath::parse("d/low")));
}

TEST_F(UnionViewTest, TreesThatOnlyAnswerLookupsGiveTheSameUnion) {
  stack_.apply({dir("d"), dir("d/s"), file("d/s/low"), dir("e"), file("e/x"), symlink("l", "d")});
  stack_.apply({dir("d"), opaque("d"), dir("d/s"), whiteout("e"), file("l")});
  stack_.apply({dir("e"), file("d/s/high"), dir("l")});
  const auto plain = make_union_view({std::make_shared<ForwardingTree>(stack_.layer("0")),
                                      std::make_shared<ForwardingTree>(stack_.layer("1")),
                                      std::make_shared<ForwardingTree>(stack_.layer("2"))});
  expect_same_tree(dump_tree(*plain), dump_tree(*stack_.view()), "without hides_lower");
}

TEST_F(UnionViewTest, UnionOfUnionsIsAUnion) {
  stack_.apply({dir("d"), file("d/a"), file("x")});
  stack_.apply({whiteout("d/a"), file("d/b")});
  stack_.apply({dir("d"), file("d/a", "again"), whiteout("x")});
  const auto two = make_union_view({stack_.layer("0"), stack_.layer("1")});
  const auto all = make_union_view({two, stack_.layer("2")});
  expect_same_tree(dump_tree(*all), dump_tree(*stack_.view()), "nested");
}

TEST_F(UnionViewTest, GhostsOfForeignLayersAreNotListed) {
  stack_.apply({dir("d"), file("d/a")});
  ASSERT_EQ(::mknod((stack_.diff_path() + "/d/ghost").c_str(), S_IFCHR, 0), 0);
  EXPECT_EQ(stack_.view()->list(RelPath::parse("d")), Names{"a"});
}

TEST_F(UnionViewTest, PathsAreLiteral) {
  stack_.apply({dir("d"), file("d/a"), symlink("l", "d")});
  const auto view = stack_.view();
  EXPECT_FALSE(view->lookup(RelPath::parse("l/a")));
  EXPECT_FALSE(view->lookup(RelPath::parse("d/a/b")));
  expect_error(Errc::NotFound, "listing '/l': it is not a directory",
               [&] { view->list(RelPath::parse("l")); });
  expect_error(Errc::NotFound, "reading '/l/a': no such file",
               [&] { view->open(RelPath::parse("l/a")); });
  expect_error(Errc::NotFound, "reading '/d': it is not a regular file",
               [&] { view->open(RelPath::parse("d")); });
}

TEST_F(UnionViewTest, SingleLayerShowsItsWhiteoutsAndOpaqueDirectories) {
  stack_.apply({dir("d"), file("d/a"), file("x")});
  stack_.apply({dir("d").mode(0700), opaque("d"), whiteout("x")});
  const auto top = stack_.layer("1");
  EXPECT_EQ(top->lookup(RelPath::parse("d"))->hides, Hides::Below);
  EXPECT_EQ(top->lookup(RelPath::parse("d"))->mode, 0700U);
  EXPECT_TRUE(top->lookup(RelPath::parse("x"))->is_whiteout());
  EXPECT_EQ(top->list(RelPath()), (Names{"d", "x"}));
  EXPECT_TRUE(top->hides_lower(RelPath::parse("d/any/thing")));
  EXPECT_TRUE(top->hides_lower(RelPath::parse("x")));
  EXPECT_FALSE(top->hides_lower(RelPath::parse("other/thing")));
  EXPECT_FALSE(top->hides_lower(RelPath()));
}

TEST_F(UnionViewTest, ManyReadersAtOnceSeeTheSame) {
  LayerItems items{dir("d")};
  for (int i = 0; i < 50; ++i)
    items.push_back(file(fmt::format("d/{}", i), "data"));
  stack_.apply(items);
  stack_.apply({whiteout("d/7"), file("d/8", "new")});
  const auto view = stack_.view();
  const TreeDump wanted = dump_tree(*view);
  std::atomic<int> same = 0;
  std::vector<std::thread> readers;
  readers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] { same += dump_tree(*view) == wanted ? 1 : 0; });
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(same, 4);
}

}  // namespace
}  // namespace layerkit::testing
