#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "layerkit/layerstore/store_check.h"
#include "store_fixture.h"

namespace layerkit::testing {

/// A healthy store with what is hard to keep healthy: three layers with everything that a layer
/// can have, one of them with an opaque root, a layer in two stacks, and a container.
class StoreCheckFixture : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (IsSkipped()) return;
    base_ = import(base_tar()).chain;
    top_ = import(top_tar(), base_).chain;
    opaque_ = import(opaque_tar(), base_).chain;
    above_ = import(TarText().file("last", "one").end(), opaque_).chain;
    store_->create_container("c1", top_, {});
    references_.stacks = {{"image one", {*base_, *top_}},
                          {"image two", {*base_, *opaque_, *above_}}};
    references_.containers = {"c1"};
    references_.known = StoreReferences::Known::All;
  }

  static std::string base_tar() {
    return TarText()
        .directory("./")
        .directory("etc", 0711)
        .file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .file("etc/empty", "")
        .file("etc/empty2", "")
        .file("etc/gone", "x")
        .symlink("etc/mtab", "/proc/mounts")
        .hard_link("etc/passwd-", "etc/passwd")
        .directory("cache")
        .file("cache/old", "old")
        .file("bin", "setuid", 04755)
        .sparse_file("sparse", 1 << 20, {{4096, "data"}, {65536, "more"}})
        .sparse_file("hole", 1 << 20, {})
        .file("twice", "first")
        .file("twice", "second")
        .end();
  }
  static std::string top_tar() {
    return TarText()
        .file("etc/.wh.gone", "")
        .file("cache/.wh..wh..opq", "")
        .file("cache/new", "new")
        .hard_link("usr/bin/tool", "bin")
        .hard_link("usr/bin/holes", "hole")
        .file("etc/deep/er/file", "in directories that nobody names")
        .end();
  }
  static std::string opaque_tar() {
    return TarText().file(".wh..wh..opq", "").file("only", "this").end();
  }

  std::unique_ptr<StoreInspection> inspection() const { return inspect_store(root_); }

  static std::vector<std::string> lines(const std::vector<Finding>& findings) {
    std::vector<std::string> texts;
    for (const Finding& finding : findings)
      texts.push_back(finding.kind + " " + finding.object);
    std::sort(texts.begin(), texts.end());
    return texts;
  }
  std::vector<std::string> quick() const {
    return lines(inspection()->quick(references_, Context{}));
  }
  std::vector<std::string> deep() const { return lines(inspection()->deep(Context{})); }
  void mend() const {
    const auto inspected = inspection();
    const FileLock lock = inspected->lock(LockKind::Exclusive);
    inspected->mend(references_, Context{});
  }
  void rebuild(const ChainId& chain) const {
    const auto inspected = inspection();
    const FileLock lock = inspected->lock(LockKind::Exclusive);
    inspected->rebuild(chain, Context{});
  }

  /// What findings call it: `below` in the words of overlay2.
  std::string object(const std::string& name, const std::string& below) const {
    std::string text = directory_path(name, below).substr(root_.size() + 1);
    if (below.empty()) text.pop_back();
    return text;
  }
  std::string object(const ChainId& chain, const std::string& below) const {
    return object(chain.hex(), below);
  }
  void expect_healthy() const {
    EXPECT_EQ(quick(), std::vector<std::string>{});
    EXPECT_EQ(deep(), std::vector<std::string>{});
    EXPECT_EQ(exported(*base_), base_tar());
    EXPECT_EQ(exported(*top_), top_tar());
  }

  void remove(const std::string& below) const { remove_tree_at(AT_FDCWD, path(below)); }
  /// A layer or container with all its parts.
  void remove_layer(const std::string& name) const {
    remove(object(name, ""));
    if (driver() == StoreDriver::Overlay2) return;
    for (const char* parts : {"aufs/diff/", "aufs/layers/", "aufs/mnt/"})
      remove(parts + name);
  }
  void chmod(const std::string& below, mode_t mode) const {
    ASSERT_EQ(::chmod(path(below).c_str(), mode), 0);
  }

  std::optional<ChainId> base_;
  std::optional<ChainId> top_;
  std::optional<ChainId> opaque_;
  std::optional<ChainId> above_;
  StoreReferences references_;
};

/// The same with every storage driver.
class StoreCheckTest : public StoreCheckFixture, public ::testing::WithParamInterface<StoreDriver> {
 protected:
  StoreDriver driver() const override { return GetParam(); }
};

}  // namespace layerkit::testing
