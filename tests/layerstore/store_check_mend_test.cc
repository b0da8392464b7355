#include <fcntl.h>
#include <sys/stat.h>

#include "store_check_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

/// One way to damage a store that it can mend by itself.
struct SelfMended {
  const char* name;
  /// "BASE" stands for the directory with the records of the base layer, "RECORDS" for the one
  /// that is in, "ID" for the layer's name and "LINK" for its short one.
  std::string finding;
  std::function<void(const std::string& root, const std::string& base)> damage;
};

struct Case {
  StoreDriver driver;
  SelfMended mended;
};

class StoreMendTest : public StoreCheckFixture, public ::testing::WithParamInterface<Case> {
 protected:
  StoreDriver driver() const override { return GetParam().driver; }

  std::string finding() const {
    std::string text = GetParam().mended.finding;
    const auto put_in = [&](const std::string& word, const auto& value) {
      if (const auto at = text.find(word); at != std::string::npos)
        text.replace(at, word.size(), value());
    };
    put_in("BASE", [&] { return object(*base_, ""); });
    put_in("RECORDS", [&] { return records_directory(); });
    put_in("ID", [&] { return base_->hex(); });
    put_in("LINK", [&] { return read(layer_path(*base_, "link")); });
    return text;
  }
};

TEST_P(StoreMendTest, FindsAndMends) {
  const Lines wanted{finding()};
  GetParam().mended.damage(root_, path(object(*base_, "")));
  EXPECT_EQ(quick(), wanted);
  EXPECT_EQ(quick(), wanted) << "looking changed something";
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
std::string id_of(const std::string& directory) {
  return directory.substr(directory.rfind('/') + 1);
}

const SelfMended kWithEachDriver[] = {
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
    {"LockMode", "mode-wrong lock",
     [](const auto& root, const auto&) { set_mode(root + "/lock", 0666); }},
    {"StrayFile", "unexpected-name RECORDS/stray",
     [](const auto&, const auto& base) { put(base + "/../stray", "x"); }},
    {"StraySymlink", "unexpected-name RECORDS/stray",
     [](const auto&, const auto& base) { make_symlink_at("/", AT_FDCWD, base + "/../stray"); }},
    {"StrayDirectory", "directory-without-record RECORDS/stray",
     [](const auto&, const auto& base) { make_dirs(base + "/../stray/diff", 0755); }},
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
};

const SelfMended kWithOverlay[] = {
    {"OverlayMode", "mode-wrong overlay2",
     [](const auto& root, const auto&) { set_mode(root + "/overlay2", 0777); }},
    {"OverlayOwner", "owner-wrong overlay2",
     [](const auto& root, const auto&) {
       ASSERT_EQ(::chown((root + "/overlay2").c_str(), 12345, static_cast<gid_t>(-1)), 0);
     }},
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

const SelfMended kWithAufs[] = {
    {"AufsMode", "mode-wrong aufs",
     [](const auto& root, const auto&) { set_mode(root + "/aufs", 0777); }},
    {"AufsOwner", "owner-wrong aufs/diff",
     [](const auto& root, const auto&) {
       ASSERT_EQ(::chown((root + "/aufs/diff").c_str(), 12345, static_cast<gid_t>(-1)), 0);
     }},
    {"StrangerInAufs", "unexpected-name aufs/stranger",
     [](const auto& root, const auto&) { put(root + "/aufs/stranger", "x"); }},
    {"MovingMissing", "directory-missing aufs/moving",
     [](const auto& root, const auto&) { gone(root + "/aufs/moving"); }},
    {"MovingIsASymlink", "wrong-type aufs/moving",
     [](const auto& root, const auto&) {
       gone(root + "/aufs/moving");
       make_symlink_at("/tmp", AT_FDCWD, root + "/aufs/moving");
     }},
    {"MovingLockIsADirectory", "wrong-type aufs/moving/.lock",
     [](const auto& root, const auto&) {
       gone(root + "/aufs/moving/.lock");
       make_dirs(root + "/aufs/moving/.lock", 0700);
     }},
    {"MovingLockMode", "mode-wrong aufs/moving/.lock",
     [](const auto& root, const auto&) { set_mode(root + "/aufs/moving/.lock", 0666); }},
    {"MovingLeftover", "moving-leftover aufs/moving/dead",
     [](const auto& root, const auto&) { make_dirs(root + "/aufs/moving/dead/diff", 0710); }},
    {"FileInMoving", "unexpected-name aufs/moving/file",
     [](const auto& root, const auto&) { put(root + "/aufs/moving/file", "x"); }},
    {"ParentsMissing", "parents-wrong aufs/layers/ID",
     [](const auto& root, const auto& base) { gone(root + "/aufs/layers/" + id_of(base)); }},
    {"ParentsOfABaseLayer", "parents-wrong aufs/layers/ID",
     [](const auto& root, const auto& base) { put(root + "/aufs/layers/" + id_of(base), "x\n"); }},
    {"ParentsAreADirectory", "parents-wrong aufs/layers/ID",
     [](const auto& root, const auto& base) {
       gone(root + "/aufs/layers/" + id_of(base));
       make_dirs(root + "/aufs/layers/" + id_of(base) + "/x", 0755);
     }},
    {"ParentsAreAFifo", "parents-wrong aufs/layers/ID",
     [](const auto& root, const auto& base) {
       gone(root + "/aufs/layers/" + id_of(base));
       ASSERT_EQ(::mkfifo((root + "/aufs/layers/" + id_of(base)).c_str(), 0644), 0);
     }},
    {"ParentsMode", "mode-wrong aufs/layers/ID",
     [](const auto& root, const auto& base) {
       set_mode(root + "/aufs/layers/" + id_of(base), 0666);
     }},
    {"ContainerParents", "parents-wrong aufs/layers/c1",
     [](const auto& root, const auto&) { put(root + "/aufs/layers/c1", "c1-init\n"); }},
    {"MountMissing", "directory-missing aufs/mnt/ID",
     [](const auto& root, const auto& base) { gone(root + "/aufs/mnt/" + id_of(base)); }},
    {"MountIsAFile", "wrong-type aufs/mnt/c1",
     [](const auto& root, const auto&) {
       gone(root + "/aufs/mnt/c1");
       put(root + "/aufs/mnt/c1", "x");
     }},
    {"MountMode", "mode-wrong aufs/mnt/c1-init",
     [](const auto& root, const auto&) { set_mode(root + "/aufs/mnt/c1-init", 0700); }},
    {"DiffWithoutRecord", "part-without-record aufs/diff/stray",
     [](const auto& root, const auto&) { make_dirs(root + "/aufs/diff/stray/x", 0755); }},
    {"DiffThatIsASymlink", "part-without-record aufs/diff/stray",
     [](const auto& root, const auto&) {
       make_symlink_at("/", AT_FDCWD, root + "/aufs/diff/stray");
     }},
    {"ParentsWithoutRecord", "part-without-record aufs/layers/stray",
     [](const auto& root, const auto&) { put(root + "/aufs/layers/stray", "one\ntwo\n"); }},
    {"RubbishAmongParents", "part-without-record aufs/layers/stray",
     [](const auto& root, const auto&) { put(root + "/aufs/layers/stray", "a secret"); }},
    {"MountWithoutRecord", "part-without-record aufs/mnt/stray",
     [](const auto& root, const auto&) { make_dirs(root + "/aufs/mnt/stray", 0755); }},
    {"FilesWithoutAMount", "part-without-record aufs/mnt/stray",
     [](const auto& root, const auto&) { make_dirs(root + "/aufs/mnt/stray/work", 0755); }},
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const SelfMended& mended : kWithEachDriver) {
    cases.push_back({StoreDriver::Overlay2, mended});
    cases.push_back({StoreDriver::Aufs, mended});
  }
  for (const SelfMended& mended : kWithOverlay)
    cases.push_back({StoreDriver::Overlay2, mended});
  for (const SelfMended& mended : kWithAufs)
    cases.push_back({StoreDriver::Aufs, mended});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(
    Store, StoreMendTest, ::testing::ValuesIn(all_cases()), [](const auto& test) {
      const bool is_aufs = test.param.driver == StoreDriver::Aufs;
      return std::string(is_aufs ? "Aufs" : "Overlay2") + test.param.mended.name;
    });

using OverlayCheckTest = StoreCheckFixture;

TEST_F(OverlayCheckTest, LinksAreAllMadeAgainFromTheRecords) {
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

TEST_F(OverlayCheckTest, ASymlinkInThePlaceOfTheLayersIsLeftForSomebodyToDecide) {
  const std::string away = temp_.path("elsewhere");
  rename_at(AT_FDCWD, path("overlay2"), AT_FDCWD, away);
  make_symlink_at(away, AT_FDCWD, path("overlay2"));
  EXPECT_EQ(quick(), Lines{"wrong-type overlay2"});
  mend();
  EXPECT_EQ(quick(), Lines{"wrong-type overlay2"});
  EXPECT_EQ(read_link_at(AT_FDCWD, path("overlay2")), away);
}

}  // namespace
}  // namespace layerkit::testing
