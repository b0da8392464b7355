#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

/// What a union with pseudo-links leaves, made by hand: a copy of a file of several names under one
/// of them, and the name that leads the others to it.
class PseudoLinksTest : public EachDriverTest {
 protected:
  void SetUp() override {
    EachDriverTest::SetUp();
    if (IsSkipped()) return;
    const LayerInfo base = import(TarText()
                                      .directory("d")
                                      .file("d/a", "old")
                                      .hard_link("d/b", "d/a")
                                      .hard_link("d/c", "d/a")
                                      .directory("e")
                                      .hard_link("e/a", "d/a")
                                      .file("single", "1")
                                      .end());
    base_ = layer_path(base.chain, "diff");
    const LayerInfo above = import(TarText().directory("d").file("d/c", "hides").end(), base.chain);
    store_->create_container("c1", above.chain, nullptr);
    upper_ = directory_path("c1", "diff");
    links_ = driver() == StoreDriver::Aufs ? upper_ + "/.wh..wh.plnk"
                                           : directory_path("c1", "work") + "/aufs/links";
    make_dirs(links_, 0700);
    make_dirs(upper_ + "/d", 0755);
  }

  static void link_to(const std::string& file, const std::string& name) {
    ASSERT_EQ(::link(file.c_str(), name.c_str()), 0) << name;
  }
  void white_out(const std::string& directory, const std::string& name) const {
    if (driver() == StoreDriver::Aufs)
      write(directory + "/.wh." + name, "");
    else
      ASSERT_EQ(::mknod((directory + "/" + name).c_str(), S_IFCHR, 0), 0);
  }
  std::string link_name(const std::string& copy) const {
    return fmt::format("{}/{}.{}", links_, stat_at(AT_FDCWD, base_ + "/d/a")->ino,
                       stat_at(AT_FDCWD, copy)->ino);
  }
  /// "path", "path=TEXT" for a file, "path -> target" for a hard link, "-path" for a whiteout.
  Lines changes() const {
    Lines lines;
    const auto reader = store_->container_diff("c1", Context{});
    while (const auto entry = reader->next()) {
      if (entry->path.is_root()) continue;
      std::string line = (entry->is_whiteout() ? "-" : "") + entry->path.str();
      if (entry->hard_link_target)
        line += " -> " + entry->hard_link_target->str();
      else if (!entry->is_whiteout() && entry->type == FileType::Regular)
        line += "=" + read_all(reader->contents(), 1000, "a file");
      lines.push_back(std::move(line));
    }
    return lines;
  }

  std::string base_;
  std::string upper_;
  std::string links_;
};

TEST_P(PseudoLinksTest, TheOtherNamesAreChangedToo) {
  write(upper_ + "/d/b", "new");
  link_to(upper_ + "/d/b", link_name(upper_ + "/d/b"));
  // d/c of the same file is hidden by the layer between.
  EXPECT_EQ(changes(), (Lines{"d", "d/b=new", "d/a -> d/b", "e/a -> d/b"}));
}

TEST_P(PseudoLinksTest, NamesThatTheContainerHidesAreNot) {
  write(upper_ + "/d/b", "new");
  link_to(upper_ + "/d/b", link_name(upper_ + "/d/b"));
  white_out(upper_, "e");
  white_out(upper_ + "/d", "a");
  EXPECT_EQ(changes(), (Lines{"-e", "d", "-d/a", "d/b=new"}));
}

TEST_P(PseudoLinksTest, AFileThatHasNoNameOfItsOwnIsUnderTheFirstOfTheOthers) {
  write(links_ + "/copy", "new");
  rename_at(AT_FDCWD, links_ + "/copy", AT_FDCWD, link_name(links_ + "/copy"));
  white_out(upper_ + "/d", "b");
  EXPECT_EQ(changes(), (Lines{"d", "-d/b", "d/a=new", "e/a -> d/a"}));
}

TEST_P(PseudoLinksTest, WhatLooksAsItDidIsNoChange) {
  write(upper_ + "/d/b", "old");
  const timespec times[] = {{1600000000, 0}, {1600000000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (upper_ + "/d/b").c_str(), times, 0), 0);
  link_to(upper_ + "/d/b", link_name(upper_ + "/d/b"));
  EXPECT_EQ(changes(), (Lines{"d", "d/b=old"}));
  write(upper_ + "/d/b", "NEW");
  ASSERT_EQ(::utimensat(AT_FDCWD, (upper_ + "/d/b").c_str(), times, 0), 0);
  EXPECT_EQ(changes(), (Lines{"d", "d/b=NEW", "d/a -> d/b", "e/a -> d/b"}));
}

TEST_P(PseudoLinksTest, ANameWhoseFileIsAnotherOneLeadsNowhere) {
  write(upper_ + "/d/b", "new");
  link_to(upper_ + "/d/b", link_name(upper_ + "/d/b") + "1");
  link_to(upper_ + "/d/b", links_ + "/no-number");
  write(links_ + "/" + std::to_string(stat_at(AT_FDCWD, base_ + "/d/a")->ino) + ".1", "stale");
  EXPECT_EQ(changes(), (Lines{"d", "d/b=new"}));
}

LAYERKIT_EACH_DRIVER(PseudoLinksTest);

}  // namespace
}  // namespace layerkit::testing
