#include <fcntl.h>
#include <sys/stat.h>

#include "store_check_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

TEST_P(StoreCheckTest, AHealthyStoreHasNoFindings) {
  expect_healthy();
  mend();
  expect_healthy();
  EXPECT_FALSE(stat_at(AT_FDCWD, path("damaged")));
}

TEST_P(StoreCheckTest, MendingTwiceChangesNothing) {
  remove(object(*base_, "index"));
  make_dirs(path(records_directory() + "/stray/diff"), 0755);
  mend();
  const auto state = [&] {
    Lines lines = names_in("damaged");
    for (const char* name : {"index", "layer", "recipe"}) {
      const auto stat = stat_at(AT_FDCWD, layer_path(*base_, name));
      lines.push_back(fmt::format("{} {} {}", name, stat->ino, stat->mtime.nanoseconds));
    }
    return lines;
  };
  const Lines before = state();
  EXPECT_EQ(before.size(), 4U);
  mend();
  EXPECT_EQ(state(), before);
  expect_healthy();
}

TEST_P(StoreCheckTest, WhatIsNoStoreIsAnErrorAndStaysAsItIs) {
  expect_error(Errc::NotFound, "opening the store '/nowhere/at/all'",
               [] { inspect_store("/nowhere/at/all"); });
  make_dir_at(temp_.fd(), "empty", 0755);
  expect_error(Errc::NotFound, "there is no store", [&] { inspect_store(temp_.path("empty")); });
  EXPECT_TRUE(list_dir(open_dir_at(temp_.fd(), "empty").get()).empty());
  write(path("version"), "layerkit-store 2\n");
  expect_error(Errc::Unsupported, "its format is 'layerkit-store 2\\n'", [&] { inspection(); });
}

TEST_P(StoreCheckTest, ALayerDirectoryThatIsASymlinkIsNotFollowed) {
  const std::string away = temp_.path("elsewhere");
  rename_at(AT_FDCWD, path(object(*above_, "")), AT_FDCWD, away);
  make_symlink_at(away, AT_FDCWD, path(object(*above_, "")));
  const Lines found = quick();
  EXPECT_EQ(std::count(found.begin(), found.end(), "layer-missing " + object(*above_, "")), 1);
  EXPECT_EQ(std::count(found.begin(), found.end(), "unexpected-name " + object(*above_, "")), 1);
  mend();
  EXPECT_EQ(quick(), Lines{"layer-missing " + object(*above_, "")});
  EXPECT_TRUE(stat_at(AT_FDCWD, away + "/layer")) << "what it led to was touched";
}

TEST_P(StoreCheckTest, AnUnreferencedLayerIsFoundWhenAllReferencesAreKnown) {
  references_.stacks.pop_back();
  references_.known = StoreReferences::Known::Some;
  EXPECT_EQ(quick(), Lines{});
  references_.known = StoreReferences::Known::All;
  Lines wanted{"layer-unreferenced " + object(*above_, ""),
               "layer-unreferenced " + object(*opaque_, "")};
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(quick(), wanted);
  mend();
  EXPECT_EQ(quick(), Lines{});
  EXPECT_FALSE(store_->find(*above_));
  EXPECT_TRUE(store_->find(*base_));
  expect_healthy();
}

TEST_P(StoreCheckTest, ALayerOfAContainerIsReferenced) {
  references_.stacks = {{"image two", {*base_, *opaque_, *above_}}};
  EXPECT_EQ(quick(), Lines{});
  references_.containers.reset();
  EXPECT_EQ(quick(), Lines{});
}

TEST_P(StoreCheckTest, AMissingLayerIsReportedOnceAndByWhoNeedsIt) {
  remove_layer(base_->hex());
  const std::string missing = "layer-missing " + object(*base_, "");
  const Lines found = quick();
  EXPECT_EQ(std::count(found.begin(), found.end(), missing), 1);
  mend();
  EXPECT_EQ(quick(), Lines{missing});
}

TEST_P(StoreCheckTest, ADamagedRecordIsMadeAgainFromTheLayerItself) {
  const std::string record = read(layer_path(*top_, "layer"));
  for (const std::string& text :
       {std::string("rubbish"), std::string(), std::string(1 << 16, 'x')}) {
    write(layer_path(*top_, "layer"), text);
    const auto findings = inspection()->quick(references_, Context{});
    ASSERT_EQ(lines(findings), Lines{"layer-record-damaged " + object(*top_, "layer")});
    EXPECT_EQ(findings[0].mend, Mend::Repair);
    EXPECT_EQ(findings[0].layer, top_);
    rebuild(*top_);
    EXPECT_EQ(read(layer_path(*top_, "layer")), record);
    expect_healthy();
  }
  remove(object(*top_, "layer"));
  ASSERT_EQ(::mkfifo(layer_path(*top_, "layer").c_str(), 0600), 0);
  EXPECT_EQ(quick(), Lines{"layer-record-damaged " + object(*top_, "layer")});
  remove(object(*top_, "layer"));
  EXPECT_EQ(quick(), Lines{"layer-record-damaged " + object(*top_, "layer")});
  rebuild(*top_);
  expect_healthy();
}

TEST_P(StoreCheckTest, ARecordThatIsWrongAboutTheTarIsADeepFinding) {
  std::string record = read(layer_path(*base_, "layer"));
  const auto at = record.find("\nentries ");
  record.replace(at, record.find('\n', at + 1) - at, "\nentries 3");
  write(layer_path(*base_, "layer"), record);
  chmod(object(*base_, "layer"), 0600);
  EXPECT_EQ(quick(), Lines{});
  EXPECT_EQ(deep(), Lines{"layer-record-damaged " + object(*base_, "layer")});
  rebuild(*base_);
  expect_healthy();
}

TEST_P(StoreCheckTest, AnUnneededLayerWithoutItsRecordIsKeptAside) {
  write(layer_path(*above_, "layer"), "rubbish");
  references_.stacks.pop_back();
  mend();
  EXPECT_EQ(quick(), Lines{});
  const Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_TRUE(aside[0].starts_with(above_->hex() + "-"));
  EXPECT_EQ(read(path("damaged/" + aside[0] + "/diff/last")), "one");
}

TEST_P(StoreCheckTest, ADamagedRecipeNeedsAnArchive) {
  write(layer_path(*base_, "recipe"), "rubbish");
  const auto findings = inspection()->quick(references_, Context{});
  ASSERT_EQ(lines(findings), Lines{"recipe-damaged " + object(*base_, "recipe")});
  EXPECT_EQ(findings[0].mend, Mend::Archive);
  expect_error(Errc::Integrity, "reading the recipe", [&] { rebuild(*base_); });
  EXPECT_EQ(read(layer_path(*base_, "diff/etc/empty")), "");
  // A recipe that is sound but another layer's.
  remove(object(*base_, "recipe"));
  write_file_at(AT_FDCWD, layer_path(*base_, "recipe"), read(layer_path(*above_, "recipe")), 0600);
  EXPECT_EQ(quick(), Lines{"recipe-damaged " + object(*base_, "recipe")});
}

TEST_P(StoreCheckTest, AReplacedFileThatIsMissingIsFound) {
  EXPECT_EQ(names_in(object(*base_, "replaced")), Lines{"0"});
  remove(object(*base_, "replaced/0"));
  EXPECT_EQ(quick(), Lines{"layer-replaced-missing " + object(*base_, "replaced")});
  remove(object(*base_, "replaced"));
  EXPECT_EQ(quick(), Lines{"layer-replaced-missing " + object(*base_, "replaced")});
  EXPECT_EQ(deep(), Lines{"layer-file-changed " + object(*base_, "diff/twice")});
}

TEST_P(StoreCheckTest, ALayerWithoutItsFilesNeedsAnArchive) {
  remove(object(*top_, "diff"));
  EXPECT_EQ(quick(), Lines{"layer-diff-missing " + object(*top_, "diff")});
  EXPECT_EQ(deep(), Lines{"layer-unreadable " + object(*top_, "")});
  // Even when a symlink leads to other files.
  make_symlink_at("/etc", AT_FDCWD, layer_path(*top_, "diff"));
  EXPECT_EQ(quick(), Lines{"layer-diff-missing " + object(*top_, "diff")});
  EXPECT_EQ(deep(), Lines{"layer-unreadable " + object(*top_, "")});
}

TEST_P(StoreCheckTest, ALostContainerRecordIsReportedAndTheContainerKept) {
  const Lines damaged{"container-layer-record-damaged " + object("c1", "container")};
  write(path(object("c1", "container")), "rubbish");
  EXPECT_EQ(quick(), damaged);
  mend();
  EXPECT_EQ(quick(), damaged);
}

TEST_P(StoreCheckTest, AnInitLayerAloneIsRemovedAndAContainerWithoutOneReported) {
  remove_layer("c1");
  const Lines found = quick();
  EXPECT_EQ(found[0], "init-layer-orphaned " + object("c1-init", ""));
  mend();
  expect_healthy();
  EXPECT_FALSE(stat_at(AT_FDCWD, path(object("c1-init", ""))));
  EXPECT_FALSE(stat_at(AT_FDCWD, path("damaged")));

  store_->create_container("c1", top_, {});
  remove_layer("c1-init");
  mend();
  EXPECT_EQ(quick(), Lines{"init-layer-missing " + object("c1-init", "")});
}

TEST_P(StoreCheckTest, AContainerThatNobodyKnowsIsPutAside) {
  write(path(object("c1", "diff/work-of-a-day")), "precious");
  references_.containers = std::vector<std::string>{};
  EXPECT_EQ(quick(), Lines{"container-without-record " + object("c1", "")});
  mend();
  expect_healthy();
  const Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_EQ(read(path("damaged/" + aside[0] + "/diff/work-of-a-day")), "precious");
}

LAYERKIT_EACH_DRIVER(StoreCheckTest);

}  // namespace
}  // namespace layerkit::testing
