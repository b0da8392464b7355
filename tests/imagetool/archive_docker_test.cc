#include <fcntl.h>
#include <sys/stat.h>

#include <random>
#include <thread>

#include "archive_fixture.h"

namespace layerkit::testing {
namespace {

using DockerArchiveTest = ArchiveTest;

const std::string kLayer = layer_tar("etc/motd", "hello\n");
const std::string kOther = layer_tar("etc/issue", "other\n");

/// `[{"Config":…,"RepoTags":…,"Layers":…}]` with the last two as JSON.
std::string manifest_json(std::string_view config, std::string_view tags, std::string_view layers) {
  return fmt::format(R"([{{"Config":"{}","RepoTags":{},"Layers":{}}}])", config, tags, layers);
}

TarBuilder simple_archive() {
  return TarBuilder()
      .file("config.json", image_config({kLayer, kOther}))
      .file("a/layer.tar", kLayer)
      .file("b/layer.tar", kOther)
      .file("manifest.json",
            manifest_json("config.json", R"(["app:1"])", R"(["a/layer.tar","b/layer.tar"])"));
}

TEST_F(DockerArchiveTest, GivesConfigNamesAndLayersBaseFirst) {
  const auto archive = open(simple_archive());
  EXPECT_EQ(archive->format(), "docker-archive");
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].image.config_bytes(), image_config({kLayer, kOther}));
  EXPECT_EQ(images[0].image.id().str(), sha256(image_config({kLayer, kOther})));
  EXPECT_EQ(names_of(images[0]), std::vector<std::string>{"app:1"});
  ASSERT_EQ(images[0].layers.size(), 2U);
  EXPECT_EQ(read_layer(*archive, images[0].layers[0]), kLayer);
  EXPECT_EQ(read_layer(*archive, images[0].layers[1]), kOther);
}

TEST_F(DockerArchiveTest, ManifestMayComeFirstAndNamesMayStartWithDot) {
  const auto archive =
      open(TarBuilder()
               .file("./manifest.json", manifest_json("./config.json", "[]", R"(["./layer.tar"])"))
               .file("./layer.tar", kLayer)
               .file("./config.json", image_config({kLayer})));
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_TRUE(images[0].names.empty());
  EXPECT_EQ(read_layer(*archive, images[0].layers[0]), kLayer);
}

TEST_F(DockerArchiveTest, AcceptsNullTagsAndNullLayers) {
  const auto archive = open(
      TarBuilder()
          .file("sha256:" + std::string(64, 'a'), image_config({}))
          .file("manifest.json", manifest_json("sha256:" + std::string(64, 'a'), "null", "null")));
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_TRUE(images[0].names.empty());
  EXPECT_TRUE(images[0].layers.empty());
}

TEST_F(DockerArchiveTest, ListsSeveralImagesAndMergesNamesOfOne) {
  const std::string item = R"({"Config":"c1","RepoTags":["one:1"],"Layers":["l"]})";
  const std::string again = R"({"Config":"c1","RepoTags":["uno:1"],"Layers":["l"]})";
  const std::string other = R"({"Config":"c2","RepoTags":["two:2"],"Layers":["l"]})";
  const auto archive = open(
      TarBuilder()
          .file("l", kLayer)
          .file("c1", image_config({kLayer}))
          .file("c2", image_config({kLayer}, R"("architecture":"amd64","os":"linux")", "second"))
          .file("manifest.json", "[" + item + "," + other + "," + again + "]"));
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(names_of(images[0]), (std::vector<std::string>{"one:1", "uno:1"}));
  EXPECT_EQ(names_of(images[1]), std::vector<std::string>{"two:2"});
}

TEST_F(DockerArchiveTest, FollowsLinksInsideTheArchive) {
  const auto archive =
      open(TarBuilder()
               .file("real/layer.tar", kLayer)
               .symlink("relative", "real/layer.tar")
               .symlink("deep/er/up.tar", "../../real/layer.tar")
               .symlink("absolute", "/real/layer.tar")
               .symlink("dir", "real")
               .hard_link("hard", "real/layer.tar")
               .file("c", image_config({kLayer, kLayer, kLayer, kLayer, kLayer}))
               .file("manifest.json",
                     manifest_json(
                         "c", "null",
                         R"(["relative","deep/er/up.tar","absolute","dir/layer.tar","hard"])")));
  const auto images = archive->images(std::nullopt);
  for (const std::string& layer : images[0].layers) {
    EXPECT_EQ(read_layer(*archive, layer), kLayer) << layer;
  }
}

TEST_F(DockerArchiveTest, RefusesLinksOutOfTheArchiveAndCircles) {
  const auto archive =
      open(TarBuilder()
               .symlink("out", "../../etc/passwd")
               .symlink("a", "b")
               .symlink("b", "a")
               .file("c", image_config({kLayer, kLayer}))
               .file("manifest.json", manifest_json("c", "null", R"(["out","a"])")));
  archive->images(std::nullopt);
  expect_error(Errc::Invalid, "leaves the root", [&] { archive->open_layer("out"); });
  expect_error(Errc::Invalid, "opening 'a': too many links", [&] { archive->open_layer("a"); });
}

TEST_F(DockerArchiveTest, OfTwoMembersWithOneNameTheLastCounts) {
  const auto archive = open(TarBuilder()
                                .file("manifest.json", "[]")
                                .file("l", kOther)
                                .file("l", kLayer)
                                .file("c", image_config({kLayer}))
                                .file("./manifest.json", manifest_json("c", "null", R"(["l"])")));
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(read_layer(*archive, "l"), kLayer);
}

TEST_F(DockerArchiveTest, FindsMembersBehindLargeOnes) {
  std::string large(3'000'001, '\0');
  std::mt19937 random(7);
  for (char& byte : large)
    byte = static_cast<char>(random());
  const auto archive =
      open(TarBuilder()
               .file("before", large)
               .file("l", kLayer)
               .file("large", large)
               .file("c", image_config({kLayer, kLayer}))
               .file("manifest.json", manifest_json("c", "null", R"(["l","large"])")));
  archive->images(std::nullopt);
  EXPECT_EQ(read_layer(*archive, "l"), kLayer);
  const ArchivedLayer layer = archive->open_layer("large");
  EXPECT_EQ(layer.size, large.size());
  EXPECT_EQ(read_all(*layer.bytes, large.size(), "layer"), large);
}

TEST_F(DockerArchiveTest, ReadsCompressedArchives) {
  for (const Compression compression : {Compression::Gzip, Compression::Zstd}) {
    const auto archive = open(compressed(simple_archive().finish(), compression));
    EXPECT_EQ(read_layer(*archive, archive->images(std::nullopt)[0].layers[0]), kLayer);
  }
}

TEST_F(DockerArchiveTest, ReadsAPipe) {
  const std::string fifo = dir_.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string bytes = simple_archive().finish();
  std::thread writer([&] {
    const Fd fd = open_at(AT_FDCWD, fifo, O_WRONLY);
    write_all(fd.get(), bytes, "fifo");
  });
  const auto archive = open_archive(fifo, store(), context_);
  writer.join();
  EXPECT_EQ(read_layer(*archive, archive->images(std::nullopt)[0].layers[1]), kOther);
}

TEST_F(DockerArchiveTest, RefusesConfigOutsideTheArchive) {
  expect_refused(
      Errc::Invalid,
      "config '../../etc/passwd': reading path '../../etc/passwd': it leaves the root",
      TarBuilder().file("manifest.json", manifest_json("../../etc/passwd", "null", "null")));
}

TEST_F(DockerArchiveTest, NamesWhatIsMissing) {
  expect_refused(Errc::NotFound, "config 'c': the archive has no 'c'",
                 TarBuilder().file("manifest.json", manifest_json("c", "null", "null")));
  const auto archive = open(TarBuilder()
                                .file("c", image_config({kLayer}))
                                .file("manifest.json", manifest_json("c", "null", R"(["gone"])")));
  archive->images(std::nullopt);
  expect_error(Errc::NotFound, "the archive has no 'gone'", [&] { archive->open_layer("gone"); });
}

TEST_F(DockerArchiveTest, RefusesAnotherNumberOfLayersThanTheConfigHas) {
  expect_refused(Errc::Invalid, "manifest.json lists 2 layers, the config 1",
                 TarBuilder()
                     .file("l", kLayer)
                     .file("c", image_config({kLayer}))
                     .file("manifest.json", manifest_json("c", "null", R"(["l","l"])")));
}

TEST_F(DockerArchiveTest, HoldsBlobsAgainstTheDigestInTheirName) {
  const std::string config = image_config({kLayer});
  const std::string blob = blob_name(kLayer);
  const auto archive = open(
      TarBuilder()
          .file(blob_name(config), config)
          .file(blob, kOther)
          .file("manifest.json", manifest_json(blob_name(config), "null", "[\"" + blob + "\"]")));
  archive->images(std::nullopt);
  expect_error(Errc::Integrity,
               fmt::format("blob {} has the digest {}", sha256(kLayer), sha256(kOther)),
               [&] { read_layer(*archive, blob); });
}

TEST_F(DockerArchiveTest, RefusesHostileJson) {
  const auto refused = [this](Errc code, const std::string& text, const std::string& json) {
    expect_refused(code, text, TarBuilder().file("manifest.json", json));
  };
  refused(Errc::Invalid, "Config", R"([{"Config":"a","Config":"b"}])");
  refused(Errc::Invalid, "Config", R"([{"Config":1}])");
  refused(Errc::Invalid, "Layers", R"([{"Config":"c","Layers":[{}]}])");
  refused(Errc::Invalid, "manifest.json",
          R"([{"Config":"c"}])"
          "x");
  refused(Errc::Limit, "manifest.json", std::string(100'000, '['));
  refused(Errc::Limit, "manifest.json", "[" + std::string(5 << 20, ' ') + "]");
  refused(Errc::Invalid, "manifest.json", R"({"schemaVersion":2})");
  refused(Errc::NotFound, "it holds no image", "[]");
}

TEST_F(DockerArchiveTest, RefusesALargeConfig) {
  expect_refused(Errc::Limit, "config 'c'",
                 TarBuilder()
                     .file("c", std::string(5 << 20, ' '))
                     .file("manifest.json", manifest_json("c", "null", "null")));
}

TEST_F(DockerArchiveTest, BoundsTheConfigsOfAllImagesTogether) {
  TarBuilder tar;
  std::string manifest;
  for (int i = 0; i < 3; ++i) {
    const std::string config = image_config({}) + std::string(3 << 20, ' ') +
                               std::string(static_cast<std::size_t>(i), ' ');
    tar.file(fmt::format("c{}", i), config);
    manifest +=
        fmt::format(R"({}{{"Config":"c{}","RepoTags":null,"Layers":null}})", i == 0 ? "" : ",", i);
  }
  expect_refused(Errc::Limit, "config 'c2': the configs of all images have more than 8388608 bytes",
                 tar.file("manifest.json", "[" + manifest + "]"));
}

TEST_F(DockerArchiveTest, BoundsTheMembersOfAnArchive) {
  std::string tar;
  const std::string member = TarBuilder().file("a", "").finish().substr(0, 512);
  for (int i = 0; i <= 100'000; ++i)
    tar += member;
  expect_error(Errc::Limit, "the tar has more than 100000 entries", [&] { open(tar); });
}

TEST_F(DockerArchiveTest, SpoolsNoMoreThanIsAllowed) {
  const std::string tar = TarBuilder().file("manifest.json", "[]").finish();
  std::string compressed;
  MemorySink sink(compressed);
  const auto gzip = make_compressing_sink(sink, Compression::Gzip);
  gzip->write(as_bytes(tar));
  gzip->finish();
  const std::string path = write("archive", compressed);
  LoadLimits limits;
  limits.archive_bytes = tar.size();
  open_archive(path, store(), context_, limits);
  limits.archive_bytes = tar.size() - 1;
  expect_error(Errc::Limit,
               "reading archive '" + path + "': it is too large to be spooled (the limit max-size)",
               [&] { open_archive(path, store(), context_, limits); });
  limits = {};
  limits.decompression = {.ratio = 3, .ratio_free_bytes = 0};
  expect_error(Errc::Limit, "(the limit max-ratio)",
               [&] { open_archive(path, store(), context_, limits); });
}

TEST_F(DockerArchiveTest, RefusesSparseMembers) {
  expect_error(Errc::Invalid, "'hole' is a sparse file", [this] {
    open(TarBuilder().sparse_file("hole", 1 << 20).file("manifest.json", "[]"));
  });
}

TEST_F(DockerArchiveTest, SaysWhatIsNoImageArchive) {
  const std::string text = "' is not an image archive";
  std::string noise(100'000, '\0');
  std::mt19937 random(11);
  for (char& byte : noise)
    byte = static_cast<char>(random());
  expect_error(Errc::Invalid, text, [&] { open(noise); });
  expect_error(Errc::Invalid, text, [&] { open("x"); });
  expect_error(Errc::Invalid, text, [&] { open(""); });
  expect_error(Errc::Invalid, text, [&] { open(TarBuilder().file("etc/motd", "hi")); });
  expect_error(Errc::Invalid, text, [&] { open_archive(dir_.path(), store(), context_); });
  expect_error(Errc::NotFound, "No such file or directory",
               [&] { open_archive(dir_.path("none"), store(), context_); });
}

TEST_F(DockerArchiveTest, RefusesATruncatedArchive) {
  const std::string bytes = simple_archive().finish();
  expect_error(Errc::Integrity, "reading archive", [&] { open(bytes.substr(0, 1600)); });
}

TEST_F(DockerArchiveTest, ArchivesOfTheOldestDockerAreNotSupported) {
  expect_error(Errc::Unsupported, "docker before 1.10",
               [this] { open(TarBuilder().file("repositories", R"({"a":{"latest":"x"}})")); });
}

TEST_F(DockerArchiveTest, TakesNamesFromTheIndexNextToTheManifest) {
  const std::string config = image_config({});
  const std::string manifest = fmt::format(
      R"({{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",)"
      R"("digest":"{}","size":{}}},"layers":[]}})",
      sha256(config), config.size());
  const std::string index = fmt::format(
      R"({{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("digest":"{}","size":{},"annotations":{{"io.containerd.image.name":"example.com/a/b:c"}}}}]}})",
      sha256(manifest), manifest.size());
  const auto archive =
      open(TarBuilder()
               .file(blob_name(config), config)
               .file(blob_name(manifest), manifest)
               .file("index.json", index)
               .file("manifest.json", manifest_json(blob_name(config), "null", "null")));
  EXPECT_EQ(archive->format(), "docker-archive");
  EXPECT_EQ(names_of(archive->images(std::nullopt)[0]),
            std::vector<std::string>{"example.com/a/b:c"});
}

TEST_F(DockerArchiveTest, IgnoresWhatIsNoNameWithAWarning) {
  const auto archive =
      open(TarBuilder()
               .file("c", image_config({}))
               .file("manifest.json", manifest_json("c", R"(["x/UPPER:1","good:1"])", "null")));
  EXPECT_EQ(names_of(archive->images(std::nullopt)[0]), std::vector<std::string>{"good:1"});
  EXPECT_NE(warnings_.find("ignoring 'x/UPPER:1': it is not an image name"), std::string::npos);
}

TEST_F(DockerArchiveTest, AnAskedForPlatformMustBeThere) {
  const auto archive =
      open(TarBuilder()
               .file("c", image_config({}, R"("architecture":"s390x","os":"linux")"))
               .file("manifest.json", manifest_json("c", "null", "null")));
  EXPECT_EQ(archive->images(std::nullopt).size(), 1U);
  EXPECT_EQ(archive->images(Platform::parse("linux/s390x")).size(), 1U);
  expect_error(Errc::NotFound, "it holds no image for linux/arm64, but for linux/s390x",
               [&] { archive->images(Platform::parse("linux/arm64")); });
}

}  // namespace
}  // namespace layerkit::testing
