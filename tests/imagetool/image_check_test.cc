#include "layerkit/imagetool/image_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "image_store_fixture.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

const std::string kBase =
    TarBuilder().file("etc/motd", "base\n").file("etc/issue", "old\n").finish();
const std::string kTop = TarBuilder().file("etc/.wh.issue", "").file("top", "top\n").finish();
const std::string kApp = TarBuilder().file("etc/.wh..wh..opq", "").file("app", "app\n").finish();

/// Two images that share their base, one of them with two names, and a container.
class ImageCheckTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
    load(archive_of({kBase, kTop}, "top:1"));
    load(archive_of({kBase, kApp}, "app:1"));
    const ImageId app = images().find("app:1").image.id();
    images().set_names({{ImageName::parse("app:latest"), app}});
    container_ = make_container("c1", "app:1");
  }

  static TarBuilder archive_of(const std::vector<std::string>& layers, std::string_view tag) {
    TarBuilder tar;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      names.push_back(fmt::format("l{}", i));
      tar.file(names.back(), layers[i]);
    }
    return tar.file("c", image_config(layers))
        .file("manifest.json", "[" + manifest_item("c", tag, names) + "]");
  }

  std::string make_container(const std::string& name, const std::string& image) {
    ContainerStore containers(images());
    const Image made_from = images().find(image).image;
    ContainerInfo draft{.id = "",
                        .name = name,
                        .image = made_from.id(),
                        .image_name = image,
                        .created = "2024-01-01T00:00:00Z",
                        .config = {},
                        .options = {},
                        .volumes = {}};
    std::string id = containers.create(draft, {}).id;
    images().layers().create_container(id, made_from.top(), {});
    ContainerState state;
    state.status = ContainerStatus::Exited;
    containers.set_state(id, state);
    return id;
  }

  std::string root() const { return dir_.path("images"); }
  std::string path(const std::string& below) const { return root() + "/" + below; }
  std::string chain_of(const std::vector<std::string>& tars) const {
    std::optional<ChainId> chain;
    for (const std::string& tar : tars)
      chain = chain_id(chain, DiffId(Sha256::of(tar)));
    return chain->hex();
  }
  std::string config_of(const std::vector<std::string>& tars) const {
    return "images/" + hex_of(image_config(tars));
  }

  static Lines lines(const std::vector<Finding>& findings) {
    Lines texts;
    for (const Finding& finding : findings)
      texts.push_back(finding.kind + " " + finding.object);
    std::sort(texts.begin(), texts.end());
    return texts;
  }
  Lines check(CheckDepth depth = CheckDepth::Quick) {
    const CheckReport report = check_store(root(), depth, context_);
    EXPECT_TRUE(report.is_complete);
    return lines(report.findings);
  }
  CheckReport repair(CheckDepth depth = CheckDepth::Quick,
                     std::optional<std::string> archive = {}) {
    return repair_store(root(), {depth, std::move(archive)}, context_);
  }
  void expect_healthy() {
    EXPECT_EQ(check(CheckDepth::Deep), Lines{});
    EXPECT_EQ(images().list().size(), 2U);
    for (const ImageStore::Record& record : images().list()) {
      for (const ChainId& chain : record.image.chain_ids()) {
        std::string tar;
        MemorySink sink(tar);
        images().layers().export_layer(chain, sink, context_);
      }
    }
  }
  /// Finds this, mends it, and all is well.
  void expect_mended(const Lines& wanted) {
    EXPECT_EQ(check(), wanted);
    EXPECT_EQ(check(), wanted) << "looking changed something";
    const CheckReport report = repair();
    EXPECT_EQ(lines(report.findings), Lines{}) << warnings_;
    EXPECT_EQ(lines(report.mended), wanted);
  }

  void put(const std::string& below, const std::string& text) {
    write_file_at(AT_FDCWD, path(below), text, 0600);
  }
  void remove(const std::string& below) { remove_tree_at(AT_FDCWD, path(below)); }
  bool exists(const std::string& below) { return stat_at(AT_FDCWD, path(below)).has_value(); }
  Lines names_in(const std::string& below) {
    Lines names;
    for (const DirEntry& entry : list_dir(open_dir_at(AT_FDCWD, path(below)).get()))
      names.push_back(entry.name);
    return names;
  }

  std::string container_;
};

TEST_F(ImageCheckTest, AHealthyStoreHasNoFindings) {
  expect_healthy();
  const CheckReport report = repair(CheckDepth::Deep);
  EXPECT_EQ(lines(report.findings), Lines{});
  EXPECT_EQ(lines(report.mended), Lines{});
  EXPECT_FALSE(exists("damaged"));
  EXPECT_EQ(warnings_, "");
}

TEST_F(ImageCheckTest, AStoreThatIsNotThereIsNotMade) {
  expect_error(Errc::NotFound, "opening the store",
               [&] { check_store(dir_.path("nothing"), CheckDepth::Quick, context_); });
  EXPECT_FALSE(stat_at(dir_.fd(), "nothing"));
}

TEST_F(ImageCheckTest, ALayerOfNoImageIsFoundUnlessSomebodyMayBeLoadingIt) {
  const auto transaction = images().layers().begin();
  const std::string tar = layer_tar("x", "x");
  MemorySource source(tar);
  transaction->add(std::nullopt, source, std::nullopt, context_);
  transaction->commit();
  {
    const FileLock loading = images().layers().lock(LockKind::Shared);
    const CheckReport report = check_store(root(), CheckDepth::Quick, context_);
    EXPECT_EQ(lines(report.findings), Lines{});
    EXPECT_FALSE(report.is_complete);
  }
  expect_mended({"layer-unreferenced overlay2/" + chain_of({tar})});
  expect_healthy();
}

TEST_F(ImageCheckTest, ADamagedConfigIsTakenFromAnArchiveAndNothingIsCollectedMeanwhile) {
  const std::string config = config_of({kBase, kTop});
  for (const std::string& text : {std::string("{}"), std::string(), std::string(5 << 20, ' ')}) {
    put(config, text);
    EXPECT_EQ(check(), Lines{"image-config-damaged " + config});
    EXPECT_EQ(lines(repair().findings), Lines{"image-config-damaged " + config});
    EXPECT_TRUE(exists("overlay2/" + chain_of({kBase, kTop})))
        << "its layer was taken for unneeded";
    const CheckReport report =
        repair(CheckDepth::Quick, write("a.tar", archive_of({kBase, kTop}, "other:1").finish()));
    EXPECT_EQ(lines(report.findings), Lines{}) << warnings_;
    EXPECT_EQ(images().find("top:1").image.config_bytes(), image_config({kBase, kTop}));
    EXPECT_THROW(images().find("other:1"), Error) << "names are not changed";
    expect_healthy();
  }
}

TEST_F(ImageCheckTest, AConfigThatIsNoFileIsNotRead) {
  const std::string config = config_of({kBase, kTop});
  remove(config);
  ASSERT_EQ(::mkfifo(path(config).c_str(), 0600), 0);
  EXPECT_EQ(check(), Lines{"image-config-damaged " + config});
  remove(config);
  make_symlink_at("/dev/zero", AT_FDCWD, path(config));
  EXPECT_EQ(check(), Lines{"image-config-damaged " + config});
}

TEST_F(ImageCheckTest, AnImageThatANameLacksComesBackWithItsLayers) {
  remove(config_of({kBase, kTop}));
  const Lines found = check();
  EXPECT_EQ(found, (Lines{"layer-unreferenced overlay2/" + chain_of({kBase, kTop}),
                          "name-dangling names.json: top:1"}));
  const CheckReport report =
      repair(CheckDepth::Quick, write("a.tar", archive_of({kBase, kTop}, "").finish()));
  EXPECT_EQ(lines(report.findings), Lines{}) << warnings_;
  expect_healthy();
  EXPECT_EQ(images().find("top:1").image.config_bytes(), image_config({kBase, kTop}));
}

TEST_F(ImageCheckTest, DamagedNamesArePutAside) {
  put("names.json", "{\"version\":1,\"names\":{\"a\":");
  expect_mended({"names-damaged names.json"});
  EXPECT_EQ(images().list().size(), 2U);
  ASSERT_EQ(names_in("damaged").size(), 1U);
  EXPECT_TRUE(names_in("damaged")[0].starts_with("names.json-"));
}

TEST_F(ImageCheckTest, LeftoversOfWritersThatDiedAreRemoved) {
  put("images/.0123.abcdef012345", "half");
  put(".names.json.abcdef012345", "half");
  put("containers/" + container_ + "/.state.json.abcdef012345", "half");
  make_dirs(path("containers/.new-" + std::string(64, 'a')), 0700);
  put("images/stranger", "x");
  put("containers/stranger", "x");
  expect_mended({"container-unfinished containers/.new-" + std::string(64, 'a'),
                 "temporary-file .names.json.abcdef012345",
                 "temporary-file containers/" + container_ + "/.state.json.abcdef012345",
                 "temporary-file images/.0123.abcdef012345", "unexpected-name containers/stranger",
                 "unexpected-name images/stranger"});
  expect_healthy();
  EXPECT_EQ(names_in("damaged").size(), 2U);
}

TEST_F(ImageCheckTest, WhatALivingWriterHasIsNoFinding) {
  put(".names.json.abcdef012345", "half");
  const FileLock writing(open_dir_at(AT_FDCWD, root()).get(), "names.lock", LockKind::Exclusive);
  EXPECT_EQ(check(), Lines{});
}

TEST_F(ImageCheckTest, AContainerWhoseMakerDiedIsRemovedAndOneThatRanIsReported) {
  const auto set_status = [&](ContainerStatus status) {
    ContainerState state;
    state.status = status;
    ContainerStore(images()).set_state(container_, state);
  };
  images().layers().remove_container(container_);
  EXPECT_EQ(check(), Lines{"container-layer-missing overlay2/" + container_});
  EXPECT_EQ(lines(repair().findings), Lines{"container-layer-missing overlay2/" + container_});
  set_status(ContainerStatus::Created);
  expect_mended({"container-unfinished containers/" + container_});
  expect_healthy();
}

TEST_F(ImageCheckTest, InAStoreOfTheAufsDriverAContainersLayersAreLookedForInItsRecords) {
  StoreOptions options;
  options.driver = StoreDriver::Aufs;
  open_store(dir_.path("aufs"), options);
  const auto store = ImageStore::open(dir_.path("aufs"));
  ContainerStore containers(*store);
  const std::string id = containers
                             .create({.id = "",
                                      .name = "c1",
                                      .image = images().find("app:1").image.id(),
                                      .image_name = "app:1",
                                      .created = "2024-01-01T00:00:00Z",
                                      .config = {},
                                      .options = {},
                                      .volumes = {}},
                                     {})
                             .id;
  ContainerState state;
  state.status = ContainerStatus::Exited;
  containers.set_state(id, state);
  const auto kinds = [&] {
    Lines found = lines(check_store(dir_.path("aufs"), CheckDepth::Quick, context_).findings);
    std::erase_if(found, [](const auto& line) { return !line.starts_with("container-layer"); });
    return found;
  };
  EXPECT_EQ(kinds(), Lines{"container-layer-missing aufs/records/" + id});
  store->layers().create_container(id, std::nullopt, {});
  EXPECT_EQ(kinds(), Lines{});
}

TEST_F(ImageCheckTest, AHalfRemovedContainerIsRemovedAltogether) {
  rename_at(AT_FDCWD, path("containers/" + container_), AT_FDCWD,
            path("containers/.removing-" + container_));
  expect_mended({"container-removal-unfinished containers/.removing-" + container_});
  expect_healthy();
  EXPECT_FALSE(exists("overlay2/" + container_));
  EXPECT_FALSE(exists("damaged"));
}

TEST_F(ImageCheckTest, AContainerWithADamagedRecordIsPutAsideWithWhatItChanged) {
  put("overlay2/" + container_ + "/diff/work-of-a-day", "precious");
  put("containers/" + container_ + "/config.json", "rubbish");
  EXPECT_EQ(check(), Lines{"container-record-damaged containers/" + container_ + "/config.json"});
  EXPECT_EQ(lines(repair().findings), Lines{}) << warnings_;
  expect_healthy();
  EXPECT_TRUE(ContainerStore(images()).list().empty());
  std::size_t found = 0;
  for (const std::string& name : names_in("damaged"))
    found += exists("damaged/" + name + "/diff/work-of-a-day") ? 1U : 0U;
  EXPECT_EQ(found, 1U);
}

TEST_F(ImageCheckTest, ARunningContainerWithADamagedRecordIsLeftAlone) {
  ContainerState state;
  state.status = ContainerStatus::Running;
  state.init = own_identity();
  ContainerStore(images()).set_state(container_, state);
  put("containers/" + container_ + "/config.json", "rubbish");
  EXPECT_EQ(lines(repair().findings),
            Lines{"container-record-damaged containers/" + container_ + "/config.json"});
  EXPECT_TRUE(exists("containers/" + container_ + "/state.json"));
}

TEST_F(ImageCheckTest, LayersOfARunningContainerAreNotReplaced) {
  ContainerState state;
  state.status = ContainerStatus::Running;
  state.init = own_identity();
  ContainerStore(images()).set_state(container_, state);
  const std::string motd = "overlay2/" + chain_of({kBase}) + "/diff/etc/motd";
  put(motd, "changed");
  const auto archive = write("a.tar", archive_of({kBase, kTop}, "").finish());
  const auto before = stat_at(AT_FDCWD, path("overlay2/" + chain_of({kBase})))->ino;
  EXPECT_EQ(lines(repair(CheckDepth::Deep, archive).findings), Lines{"layer-file-changed " + motd});
  EXPECT_NE(warnings_.find("a running container or a mount uses the layer"), std::string::npos)
      << warnings_;
  EXPECT_EQ(stat_at(AT_FDCWD, path("overlay2/" + chain_of({kBase})))->ino, before);
}

TEST_F(ImageCheckTest, VoidAndDamagedMountRecordsGo) {
  make_dirs(path("mounts"), 0700);
  ASSERT_EQ(::chmod(path("mounts").c_str(), 0700), 0);
  put("mounts/0123456789abcdef01234567.json",
      R"({"target":"/nowhere","source":"image","id":"x","created_directory":false,"dev":1,"ino":2})");
  put("mounts/aaaaaaaaaaaaaaaaaaaaaaaa.json", "rubbish");
  expect_mended({"mount-record-damaged mounts/aaaaaaaaaaaaaaaaaaaaaaaa.json",
                 "mount-record-void mounts/0123456789abcdef01234567.json"});
}

/// What an archive of each format gives back.
class RestoreTest : public ImageCheckTest, public ::testing::WithParamInterface<ArchiveFormat> {
 protected:
  std::string archive() {
    std::string out = dir_.path("saved");
    std::vector<SaveItem> items;
    for (const ImageStore::Record& record : images().list())
      items.push_back({record.image, record.names});
    save_images(images(), items, {GetParam(), std::nullopt}, out, context_);
    return out;
  }
};

TEST_P(RestoreTest, GivesBackChangedAndLostLayersAndConfigs) {
  const std::string from = archive();
  const std::string base = "overlay2/" + chain_of({kBase});
  const std::string app = "overlay2/" + chain_of({kBase, kApp});
  put(base + "/diff/etc/motd", "changed");
  remove(app);
  put(config_of({kBase, kTop}), "rubbish");
  const Lines wanted{"image-config-damaged " + config_of({kBase, kTop}),
                     "layer-file-changed " + base + "/diff/etc/motd", "layer-missing " + app};
  const Lines found = check(CheckDepth::Deep);
  for (const std::string& line : wanted)
    EXPECT_TRUE(std::count(found.begin(), found.end(), line) == 1) << line;
  const Lines left = lines(repair(CheckDepth::Deep).findings);
  EXPECT_EQ(left, wanted) << "without the archive";
  const CheckReport report = repair(CheckDepth::Deep, from);
  EXPECT_EQ(lines(report.findings), Lines{}) << warnings_;
  EXPECT_EQ(lines(report.mended), wanted);
  expect_healthy();
  EXPECT_EQ(names_in("staging"), Lines{});
}

TEST_P(RestoreTest, ADamagedArchiveDoesNoHarm) {
  const std::string from = archive();
  const std::string motd = "overlay2/" + chain_of({kBase}) + "/diff/etc/motd";
  put(motd, "changed");
  // Every byte of the layer's text, wherever it lies.
  const bool is_directory = stat_at(AT_FDCWD, from)->type == FileType::Directory;
  const std::string damage =
      is_directory ? "for f in $(find " + from +
                         " -type f -size -2k -path '*sha256*'); do printf X >> $f; done"
                   : "sed -i 's/base$/BASE/' " + from;
  ASSERT_EQ(std::system(damage.c_str()), 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  try {
    const CheckReport report = repair(CheckDepth::Deep, from);
    if (GetParam() == ArchiveFormat::DockerArchive) {
      EXPECT_EQ(lines(report.findings), Lines{"layer-file-changed " + motd});
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::Integrity) << error.message();
  }
  EXPECT_EQ(names_in("staging"), Lines{});
}

std::string format_name(const ::testing::TestParamInfo<ArchiveFormat>& format) {
  constexpr const char* kNames[] = {"Docker", "OciArchive", "OciDirectory"};
  return kNames[static_cast<int>(format.param)];
}

INSTANTIATE_TEST_SUITE_P(Formats,
                         RestoreTest,
                         ::testing::Values(ArchiveFormat::DockerArchive,
                                           ArchiveFormat::OciArchive,
                                           ArchiveFormat::OciDirectory),
                         format_name);

TEST_F(ImageCheckTest, AnArchiveOfSomethingElseChangesNothing) {
  const std::string motd = "overlay2/" + chain_of({kBase}) + "/diff/etc/motd";
  put(motd, "changed");
  const auto archive = write("a.tar", archive_of({layer_tar("x", "y")}, "x:1").finish());
  EXPECT_EQ(lines(repair(CheckDepth::Deep, archive).findings), Lines{"layer-file-changed " + motd});
  EXPECT_EQ(images().list().size(), 2U);
  repair(CheckDepth::Deep, dir_.path("no-such-file"));
  EXPECT_NE(warnings_.find("no-such-file"), std::string::npos) << warnings_;
}

TEST_F(ImageCheckTest, ALayerIsFoundByItsDiffIdInAnImageWithOtherLayers) {
  const std::string app = "overlay2/" + chain_of({kBase, kApp});
  put(app + "/diff/app", "APP!");
  const auto archive = write("a.tar", archive_of({kApp}, "").finish());
  EXPECT_EQ(lines(repair(CheckDepth::Deep, archive).findings), Lines{}) << warnings_;
  expect_healthy();
}

}  // namespace
}  // namespace layerkit::testing
