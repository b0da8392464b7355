#include <fcntl.h>
#include <sys/stat.h>

#include "store_check_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

TEST_F(StoreCheckTest, AHealthyStoreHasNoFindings) {
  expect_healthy();
  mend();
  expect_healthy();
  EXPECT_FALSE(stat_at(AT_FDCWD, path("damaged")));
}

TEST_F(StoreCheckTest, WhatIsNoStoreIsAnErrorAndStaysAsItIs) {
  expect_error(Errc::NotFound, "opening the store '/nowhere/at/all'",
               [] { inspect_store("/nowhere/at/all"); });
  make_dir_at(temp_.fd(), "empty", 0755);
  expect_error(Errc::NotFound, "there is no store", [&] { inspect_store(temp_.path("empty")); });
  EXPECT_TRUE(list_dir(open_dir_at(temp_.fd(), "empty").get()).empty());
  write(path("version"), "layerkit-store 2\n");
  expect_error(Errc::Unsupported, "its format is 'layerkit-store 2\\n'", [&] { inspection(); });
}

/// One way to damage a store that it can mend by itself.
struct SelfMended {
  const char* name;
  std::string finding;  ///< "BASE" stands for the directory of the base layer
  std::function<void(const std::string& root, const std::string& base)> damage;
};

class StoreMendTest : public StoreCheckTest, public ::testing::WithParamInterface<SelfMended> {};

TEST_P(StoreMendTest, FindsAndMends) {
  const std::string base = "overlay2/" + base_->hex();
  std::string finding = GetParam().finding;
  if (const auto at = finding.find("BASE"); at != std::string::npos) finding.replace(at, 4, base);
  if (const auto at = finding.find("LINK"); at != std::string::npos) {
    finding.replace(at, 4, read(layer_path(*base_, "link")));
  }
  GetParam().damage(root_, root_ + "/" + base);
  EXPECT_EQ(quick(), Lines{finding});
  EXPECT_EQ(quick(), Lines{finding}) << "looking changed something";
  mend();
  expect_healthy();
}

void put(const std::string& path, const std::string& text) {
  write_file_at(AT_FDCWD, path, text, 0600);
}
void gone(const std::string& path) {
  remove_tree_at(AT_FDCWD, path);
}
void set_mode(const std::string& path, mode_t mode) {
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

const SelfMended kSelfMended[] = {
    {"VersionMissing", "version-damaged version",
     [](const auto& root, const auto&) { gone(root + "/version"); }},
    {"VersionRubbish", "version-damaged version",
     [](const auto& root, const auto&) { put(root + "/version", "rubbish"); }},
    {"VersionHuge", "version-damaged version",
     [](const auto& root, const auto&) { put(root + "/version", std::string(1 << 20, 'x')); }},
    {"StagingMissing", "directory-missing staging",
     [](const auto& root, const auto&) { gone(root + "/staging"); }},
    {"StagingIsASymlink", "wrong-type staging",
     [](const auto& root, const auto&) {
       gone(root + "/staging");
       make_symlink_at("/tmp", AT_FDCWD, root + "/staging");
     }},
    {"StagingMode", "mode-wrong staging",
     [](const auto& root, const auto&) { set_mode(root + "/staging", 0755); }},
    {"StagingLeftover", "staging-leftover staging/0123456789abcdef0123456789abcdef",
     [](const auto& root, const auto&) {
       make_dirs(root + "/staging/0123456789abcdef0123456789abcdef/0/diff", 0700);
     }},
    {"StagingFile", "unexpected-name staging/file",
     [](const auto& root, const auto&) { put(root + "/staging/file", "x"); }},
    {"OverlayMode", "mode-wrong overlay2",
     [](const auto& root, const auto&) { set_mode(root + "/overlay2", 0777); }},
    {"OverlayOwner", "owner-wrong overlay2",
     [](const auto& root, const auto&) {
       ASSERT_EQ(::chown((root + "/overlay2").c_str(), 12345, static_cast<gid_t>(-1)), 0);
     }},
    {"LockMode", "mode-wrong lock",
     [](const auto& root, const auto&) { set_mode(root + "/lock", 0666); }},
    {"StrayFile", "unexpected-name overlay2/stray",
     [](const auto& root, const auto&) { put(root + "/overlay2/stray", "x"); }},
    {"StraySymlink", "unexpected-name overlay2/stray",
     [](const auto& root, const auto&) {
       make_symlink_at("/", AT_FDCWD, root + "/overlay2/stray");
     }},
    {"StrayDirectory", "directory-without-record overlay2/stray",
     [](const auto& root, const auto&) { make_dirs(root + "/overlay2/stray/diff", 0755); }},
    {"LinkMissing", "link-wrong BASE/link",
     [](const auto&, const auto& base) { gone(base + "/link"); }},
    {"LinkRubbish", "link-wrong BASE/link",
     [](const auto&, const auto& base) { put(base + "/link", std::string(100'000, 'A')); }},
    {"LinkIsADirectory", "link-wrong BASE/link",
     [](const auto&, const auto& base) {
       gone(base + "/link");
       make_dirs(base + "/link/x", 0755);
     }},
    {"LinkIsASymlink", "link-wrong BASE/link",
     [](const auto&, const auto& base) {
       gone(base + "/link");
       make_symlink_at("/etc/hostname", AT_FDCWD, base + "/link");
     }},
    {"LinkMode", "mode-wrong BASE/link",
     [](const auto&, const auto& base) { set_mode(base + "/link", 0666); }},
    {"LowerOfABaseLayer", "lower-wrong BASE/lower",
     [](const auto&, const auto& base) { put(base + "/lower", "l/RUBBISH\n\x01"); }},
    {"CommittedMissing", "committed-wrong BASE/committed",
     [](const auto&, const auto& base) { gone(base + "/committed"); }},
    {"CommittedIsAFifo", "committed-wrong BASE/committed",
     [](const auto&, const auto& base) {
       gone(base + "/committed");
       ASSERT_EQ(::mkfifo((base + "/committed").c_str(), 0600), 0);
     }},
    {"IndexMissing", "index-missing BASE/index",
     [](const auto&, const auto& base) { gone(base + "/index"); }},
    {"IndexTruncated", "index-damaged BASE/index",
     [](const auto&, const auto& base) { put(base + "/index", ""); }},
    {"IndexRubbish", "index-damaged BASE/index",
     [](const auto&, const auto& base) { put(base + "/index", std::string(8192, 'x')); }},
    {"IndexIsAFifo", "index-damaged BASE/index",
     [](const auto&, const auto& base) {
       gone(base + "/index");
       ASSERT_EQ(::mkfifo((base + "/index").c_str(), 0600), 0);
     }},
    {"IndexIsADirectory", "index-damaged BASE/index",
     [](const auto&, const auto& base) {
       gone(base + "/index");
       make_dirs(base + "/index/x", 0755);
     }},
    {"RecordMode", "mode-wrong BASE/layer",
     [](const auto&, const auto& base) { set_mode(base + "/layer", 0644); }},
    {"LayerDirectoryMode", "mode-wrong BASE",
     [](const auto&, const auto& base) { set_mode(base, 0777); }},
    {"StrangerInALayer", "unexpected-name BASE/stranger",
     [](const auto&, const auto& base) { put(base + "/stranger", "x"); }},
    {"ShortLinkMissing", "short-link-wrong overlay2/l/LINK",
     [](const auto& root, const auto& base) {
       gone(root + "/overlay2/l/" + read_file_at(AT_FDCWD, base + "/link", 100));
     }},
    {"ShortLinkElsewhere", "short-link-wrong overlay2/l/LINK",
     [](const auto& root, const auto& base) {
       const std::string link = root + "/overlay2/l/" + read_file_at(AT_FDCWD, base + "/link", 100);
       gone(link);
       make_symlink_at("/etc", AT_FDCWD, link);
     }},
    {"ShortLinkIsAFile", "short-link-wrong overlay2/l/LINK",
     [](const auto& root, const auto& base) {
       const std::string link = root + "/overlay2/l/" + read_file_at(AT_FDCWD, base + "/link", 100);
       gone(link);
       put(link, "x");
     }},
    {"ShortLinkDangling", "short-link-dangling overlay2/l/AAAAAAAAAAAAAAAAAAAAAAAAAA",
     [](const auto& root, const auto&) {
       make_symlink_at("../gone/diff", AT_FDCWD, root + "/overlay2/l/AAAAAAAAAAAAAAAAAAAAAAAAAA");
     }},
    {"FileAmongShortLinks", "unexpected-name overlay2/l/file",
     [](const auto& root, const auto&) { put(root + "/overlay2/l/file", "x"); }},
    {"ContainerLowerMissing", "lower-wrong overlay2/c1/lower",
     [](const auto& root, const auto&) { gone(root + "/overlay2/c1/lower"); }},
    {"ContainerWorkMissing", "directory-missing overlay2/c1/work",
     [](const auto& root, const auto&) { gone(root + "/overlay2/c1/work"); }},
    {"ContainerMergedMode", "mode-wrong overlay2/c1/merged",
     [](const auto& root, const auto&) { set_mode(root + "/overlay2/c1/merged", 0777); }},
};

INSTANTIATE_TEST_SUITE_P(Store,
                         StoreMendTest,
                         ::testing::ValuesIn(kSelfMended),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(StoreCheckTest, LinksAreAllMadeAgainFromTheRecords) {
  remove("overlay2/l");
  for (const ChainId& chain : {*base_, *top_, *opaque_, *above_}) {
    remove(object(chain, "link"));
    remove(object(chain, "lower"));
    remove(object(chain, "committed"));
  }
  EXPECT_GT(quick().size(), 10U);
  mend();
  expect_healthy();
  EXPECT_EQ(read(layer_path(*opaque_, "lower")), "");
}

TEST_F(StoreCheckTest, ASymlinkInThePlaceOfTheLayersIsLeftForSomebodyToDecide) {
  const std::string away = temp_.path("elsewhere");
  rename_at(AT_FDCWD, path("overlay2"), AT_FDCWD, away);
  make_symlink_at(away, AT_FDCWD, path("overlay2"));
  EXPECT_EQ(quick(), Lines{"wrong-type overlay2"});
  mend();
  EXPECT_EQ(quick(), Lines{"wrong-type overlay2"});
  EXPECT_EQ(read_link_at(AT_FDCWD, path("overlay2")), away);
}

TEST_F(StoreCheckTest, ALayerDirectoryThatIsASymlinkIsNotFollowed) {
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

TEST_F(StoreCheckTest, AnUnreferencedLayerIsFoundWhenAllReferencesAreKnown) {
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

TEST_F(StoreCheckTest, ALayerOfAContainerIsReferenced) {
  references_.stacks = {{"image two", {*base_, *opaque_, *above_}}};
  EXPECT_EQ(quick(), Lines{});
  references_.containers.reset();
  EXPECT_EQ(quick(), Lines{});
}

TEST_F(StoreCheckTest, AMissingLayerIsReportedOnceAndByWhoNeedsIt) {
  remove(object(*base_, ""));
  const std::string missing = "layer-missing " + object(*base_, "");
  const Lines found = quick();
  EXPECT_EQ(std::count(found.begin(), found.end(), missing), 1);
  mend();
  EXPECT_EQ(quick(), Lines{missing});
}

TEST_F(StoreCheckTest, ADamagedRecordIsMadeAgainFromTheLayerItself) {
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

TEST_F(StoreCheckTest, ARecordThatIsWrongAboutTheTarIsADeepFinding) {
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

TEST_F(StoreCheckTest, AnUnneededLayerWithoutItsRecordIsKeptAside) {
  write(layer_path(*above_, "layer"), "rubbish");
  references_.stacks.pop_back();
  mend();
  EXPECT_EQ(quick(), Lines{});
  const Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_TRUE(aside[0].starts_with(above_->hex() + "-"));
  EXPECT_EQ(read(path("damaged/" + aside[0] + "/diff/last")), "one");
}

TEST_F(StoreCheckTest, ADamagedRecipeNeedsAnArchive) {
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

TEST_F(StoreCheckTest, AReplacedFileThatIsMissingIsFound) {
  EXPECT_EQ(names_in(object(*base_, "replaced")), Lines{"0"});
  remove(object(*base_, "replaced/0"));
  EXPECT_EQ(quick(), Lines{"layer-replaced-missing " + object(*base_, "replaced")});
  remove(object(*base_, "replaced"));
  EXPECT_EQ(quick(), Lines{"layer-replaced-missing " + object(*base_, "replaced")});
  EXPECT_EQ(deep(), Lines{"layer-file-changed " + object(*base_, "diff/twice")});
}

TEST_F(StoreCheckTest, ALayerWithoutItsFilesNeedsAnArchive) {
  remove(object(*top_, "diff"));
  EXPECT_EQ(quick(), Lines{"layer-diff-missing " + object(*top_, "diff")});
  EXPECT_EQ(deep(), Lines{"layer-unreadable " + object(*top_, "")});
  // Even when a symlink leads to other files.
  make_symlink_at("/etc", AT_FDCWD, layer_path(*top_, "diff"));
  EXPECT_EQ(quick(), Lines{"layer-diff-missing " + object(*top_, "diff")});
  EXPECT_EQ(deep(), Lines{"layer-unreadable " + object(*top_, "")});
}

TEST_F(StoreCheckTest, ALostContainerRecordIsReportedAndTheContainerKept) {
  write(path("overlay2/c1/container"), "rubbish");
  EXPECT_EQ(quick(), Lines{"container-layer-record-damaged overlay2/c1/container"});
  mend();
  EXPECT_EQ(quick(), Lines{"container-layer-record-damaged overlay2/c1/container"});
}

TEST_F(StoreCheckTest, AnInitLayerAloneIsRemovedAndAContainerWithoutOneReported) {
  remove("overlay2/c1");
  const Lines found = quick();
  EXPECT_EQ(found[0], "init-layer-orphaned overlay2/c1-init");
  mend();
  expect_healthy();
  EXPECT_FALSE(stat_at(AT_FDCWD, path("overlay2/c1-init")));
  EXPECT_FALSE(stat_at(AT_FDCWD, path("damaged")));

  store_->create_container("c1", top_, {});
  remove("overlay2/c1-init");
  mend();
  EXPECT_EQ(quick(), Lines{"init-layer-missing overlay2/c1-init"});
}

TEST_F(StoreCheckTest, AContainerThatNobodyKnowsIsPutAside) {
  write(path("overlay2/c1/diff/work-of-a-day"), "precious");
  references_.containers = std::vector<std::string>{};
  EXPECT_EQ(quick(), Lines{"container-without-record overlay2/c1"});
  mend();
  expect_healthy();
  const Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_EQ(read(path("damaged/" + aside[0] + "/diff/work-of-a-day")), "precious");
}

}  // namespace
}  // namespace layerkit::testing
