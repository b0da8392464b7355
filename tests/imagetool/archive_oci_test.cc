#include <fcntl.h>

#include "archive_fixture.h"
#include "oci_builder.h"

namespace layerkit::testing {
namespace {

const std::string kLayer = layer_tar("etc/motd", "hello\n");

/// An image with one layer for a platform; `comment` makes configs differ.
struct TestImage {
  explicit TestImage(std::string_view architecture = "amd64", std::string_view comment = "")
      : config(image_config(
            {kLayer}, fmt::format(R"("architecture":"{}","os":"linux")", architecture), comment)),
        manifest(manifest_of(config, descriptor(kLayerType, kLayer))) {}

  std::string id() const { return sha256(config); }
  void add_to(TarBuilder& tar) const {
    tar.file(blob_name(config), config).file(blob_name(manifest), manifest);
  }

  std::string config;
  std::string manifest;
};

class OciArchiveTest : public ArchiveTest {
 protected:
  static TarBuilder layout(const std::string& index, const std::vector<TestImage>& images) {
    TarBuilder tar;
    tar.file("oci-layout", kLayout).file(blob_name(kLayer), kLayer);
    for (const TestImage& image : images)
      image.add_to(tar);
    return tar.file("index.json", index);
  }

  std::vector<std::string> ids(const TarBuilder& tar, const char* wanted = nullptr) {
    std::optional<Platform> platform;
    if (wanted != nullptr) platform = Platform::parse(wanted);
    std::vector<std::string> all;
    for (const ArchivedImage& image : open(tar)->images(platform)) {
      all.push_back(image.image.id().str());
    }
    return all;
  }

  std::vector<std::string> names(const std::string& annotations) {
    const TestImage image;
    const auto archive =
        open(layout(index_of({descriptor(kManifestType, image.manifest, annotations)}), {image}));
    return names_of(archive->images(std::nullopt).front());
  }
};

using Ids = std::vector<std::string>;

TEST_F(OciArchiveTest, GivesConfigAndVerifiedLayers) {
  const TestImage image;
  const auto archive = open(layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
  EXPECT_EQ(archive->format(), "oci-archive");
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].image.config_bytes(), image.config);
  EXPECT_TRUE(images[0].names.empty());
  const ArchivedLayer layer = archive->open_layer(images[0].layers.at(0));
  EXPECT_EQ(layer.declared, Compression::None);
  EXPECT_EQ(layer.size, kLayer.size());
  EXPECT_EQ(read_all(*layer.bytes, 1 << 20, "layer"), kLayer);
}

TEST_F(OciArchiveTest, ReadsNamesFromAnnotations) {
  EXPECT_EQ(names(annotation("io.containerd.image.name", "docker.io/library/app:1")), Ids{"app:1"});
  EXPECT_EQ(names(annotation("org.opencontainers.image.ref.name", "example.com/app:1")),
            Ids{"example.com/app:1"});
  EXPECT_EQ(names(annotation("org.opencontainers.image.ref.name", "debian")), Ids{"debian:latest"});
  EXPECT_EQ(warnings_, "");
  EXPECT_EQ(names(annotation("io.containerd.image.name", "not/A:name")), Ids{});
  EXPECT_NE(warnings_.find("ignoring 'not/A:name': it is not an image name"), std::string::npos);
}

TEST_F(OciArchiveTest, OneImageMayHaveSeveralNames) {
  const TestImage image;
  const auto named = [&](const char* name) {
    return descriptor(kManifestType, image.manifest, annotation("io.containerd.image.name", name));
  };
  const auto archive = open(layout(index_of({named("a:1"), named("b:2")}), {image}));
  const auto images = archive->images(std::nullopt);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(names_of(images[0]), (Ids{"a:1", "b:2"}));
}

TEST_F(OciArchiveTest, SeveralUnnamedImagesOfOnePlatformAreAllLoaded) {
  const TestImage one("amd64", "one");
  const TestImage two("amd64", "two");
  EXPECT_EQ(ids(layout(index_of({descriptor(kManifestType, one.manifest),
                                 descriptor(kManifestType, two.manifest)}),
                       {one, two})),
            (Ids{one.id(), two.id()}));
}

TEST_F(OciArchiveTest, ChoosesTheAskedForPlatformOfANestedIndex) {
  const TestImage amd("amd64");
  const TestImage arm6("arm", "v6");
  const TestImage arm7("arm", "v7");
  const std::string nested =
      index_of({descriptor(kManifestType, arm6.manifest, platform("arm", "v6")),
                descriptor(kManifestType, arm7.manifest, platform("arm", "v7")),
                descriptor(kManifestType, amd.manifest, platform("amd64"))});
  const TarBuilder tar = layout(index_of({descriptor(kIndexType, nested)}), {amd, arm6, arm7})
                             .file(blob_name(nested), nested);
  EXPECT_EQ(ids(tar, "linux/amd64"), Ids{amd.id()});
  EXPECT_EQ(ids(tar, "linux/arm/v7"), Ids{arm7.id()});
  EXPECT_EQ(ids(tar, "linux/arm/v6"), Ids{arm6.id()});
  EXPECT_EQ(ids(tar, "linux/arm/v8"), Ids{arm7.id()});
  expect_error(
      Errc::NotFound,
      "it holds no image for linux/arm/v5, but for linux/arm/v6, linux/arm/v7, linux/amd64",
      [&] { ids(tar, "linux/arm/v5"); });
}

TEST_F(OciArchiveTest, TakesTheOnlyPlatformButNeverGuesses) {
  const TestImage s390x("s390x");
  const TestImage riscv("riscv64");
  EXPECT_EQ(ids(layout(index_of({descriptor(kManifestType, s390x.manifest)}), {s390x})),
            Ids{s390x.id()});
  expect_refused(Errc::NotFound, "but for linux/s390x, linux/riscv64",
                 layout(index_of({descriptor(kManifestType, s390x.manifest, platform("s390x")),
                                  descriptor(kManifestType, riscv.manifest, platform("riscv64"))}),
                        {s390x, riscv}));
}

TEST_F(OciArchiveTest, ReadsThePlatformFromTheConfigWhereTheIndexIsSilent) {
  const TestImage s390x("s390x");
  const TestImage arm("arm64");
  const TarBuilder tar = layout(index_of({descriptor(kManifestType, s390x.manifest),
                                          descriptor(kManifestType, arm.manifest)}),
                                {s390x, arm});
  EXPECT_EQ(ids(tar, "linux/arm64"), Ids{arm.id()});
}

TEST_F(OciArchiveTest, ManifestsOfOtherPlatformsMayBeMissing) {
  const TestImage amd("amd64");
  const TestImage arm("arm64");
  const std::string nested = index_of({descriptor(kManifestType, arm.manifest, platform("arm64")),
                                       descriptor(kManifestType, amd.manifest, platform("amd64"))});
  const TarBuilder tar =
      layout(index_of({descriptor(kIndexType, nested)}), {amd}).file(blob_name(nested), nested);
  EXPECT_EQ(ids(tar, "linux/amd64"), Ids{amd.id()});
  EXPECT_EQ(warnings_, "");
}

TEST_F(OciArchiveTest, NeverPicksAnAttestation) {
  const TestImage image;
  const TestImage attestation("unknown", "sbom");
  const std::string entry =
      descriptor(kManifestType, attestation.manifest,
                 R"(,"platform":{"os":"unknown","architecture":"unknown"},)"
                 R"("annotations":{"vnd.docker.reference.type":"attestation-manifest"})");
  const TarBuilder tar =
      layout(index_of({entry, descriptor(kManifestType, image.manifest)}), {image, attestation});
  EXPECT_EQ(ids(tar), Ids{image.id()});
}

TEST_F(OciArchiveTest, RefusesABlobOfAnotherSizeThanItsDescriptorSays) {
  const TestImage image;
  const std::string wrong = fmt::format(R"({{"mediaType":"{}","digest":"{}","size":585}})",
                                        kManifestType, sha256(image.manifest));
  expect_refused(Errc::Integrity,
                 fmt::format("blob {} is {} bytes, its descriptor says 585", sha256(image.manifest),
                             image.manifest.size()),
                 layout(index_of({wrong}), {image}));
}

TEST_F(OciArchiveTest, RefusesAWrongLayerSizeBeforeAnythingIsRead) {
  TestImage image;
  const std::string wrong =
      fmt::format(R"({{"mediaType":"{}","digest":"{}","size":1}})", kLayerType, sha256(kLayer));
  image.manifest = manifest_of(image.config, wrong);
  expect_refused(Errc::Integrity, "its descriptor says 1",
                 layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
}

TEST_F(OciArchiveTest, RefusesBytesThatDoNotMatchTheirDigest) {
  const TestImage image;
  std::string changed = image.manifest;
  changed.back() = ' ';
  expect_refused(Errc::Integrity,
                 fmt::format("blob {} has the digest {}", sha256(image.manifest), sha256(changed)),
                 TarBuilder()
                     .file("oci-layout", kLayout)
                     .file(blob_name(image.manifest), changed)
                     .file("index.json", index_of({descriptor(kManifestType, image.manifest)})));
}

TEST_F(OciArchiveTest, VerifiesALayerAtItsEnd) {
  const TestImage image;
  std::string changed = kLayer;
  changed[600] = 'J';
  TarBuilder tar;
  image.add_to(tar);
  const auto archive =
      open(tar.file("oci-layout", kLayout)
               .file(blob_name(kLayer), changed)
               .file("index.json", index_of({descriptor(kManifestType, image.manifest)})));
  const auto images = archive->images(std::nullopt);
  expect_error(Errc::Integrity, "has the digest " + sha256(changed),
               [&] { read_layer(*archive, images[0].layers[0]); });
}

TEST_F(OciArchiveTest, EmbeddedDataMustMatchAndReplacesAMissingBlob) {
  const auto refused = [this](std::string_view text, std::string_view bytes, const char* data) {
    const std::string entry =
        descriptor(kManifestType, bytes, fmt::format(R"(,"data":"{}")", data));
    expect_refused(Errc::Invalid, std::string(text), layout(index_of({entry}), {}));
  };
  refused("'manifests[0].data' does not match its descriptor", "bar", "Zm9v");
  refused("'manifests[0].data' is not base64", "foo", "Zm9");
  refused("'manifests[0].data' is not base64", "foo", "Zm*v");
  // Read, as far as it goes: "foo" and "fo" are not JSON.
  refused("parsing manifest " + sha256("foo"), "foo", "Zm9v");
  refused("parsing manifest " + sha256("fo"), "fo", "Zm8=");
}

TEST_F(OciArchiveTest, RefusesDocumentsThatAreIndexAndManifestAtOnce) {
  TestImage image;
  image.manifest.insert(1, R"("manifests":[],)");
  expect_refused(Errc::Invalid, "'manifests' does not belong into such a document",
                 layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
  std::string index = index_of({});
  index.insert(1, R"("layers":[],)");
  expect_refused(Errc::Invalid, "'layers' does not belong into such a document", layout(index, {}));
}

TEST_F(OciArchiveTest, RefusesADocumentThatContradictsItsDescriptor) {
  TestImage image;
  image.manifest.insert(1, fmt::format(R"("mediaType":"{}",)", kIndexType));
  expect_refused(Errc::Invalid, "'mediaType' contradicts the descriptor",
                 layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
}

TEST_F(OciArchiveTest, RefusesIndexesNestedTooDeeply) {
  const TestImage image;
  std::string entry = descriptor(kManifestType, image.manifest);
  TarBuilder tar;
  tar.file("oci-layout", kLayout);
  for (int depth = 0; depth < 1000; ++depth) {
    const std::string index = index_of({entry});
    tar.file(blob_name(index), index);
    entry = descriptor(kIndexType, index);
  }
  expect_refused(Errc::Limit, "indexes are nested more than 8 deep (the limit max-nesting)",
                 tar.file("index.json", index_of({entry})));
}

TEST_F(OciArchiveTest, IndexesThatNameEachOtherManyTimesAreReadOnce) {
  const TestImage image;
  std::string entry = descriptor(kManifestType, image.manifest);
  TarBuilder tar = layout("{}", {image});
  for (int depth = 0; depth < 7; ++depth) {
    const std::string index = index_of(std::vector<std::string>(100, entry));
    tar.file(blob_name(index), index);
    entry = descriptor(kIndexType, index);
  }
  EXPECT_EQ(ids(tar.file("index.json", index_of({entry}))), Ids{image.id()});
}

TEST_F(OciArchiveTest, BoundsTheWorkThatAnIndexCanAskFor) {
  std::vector<std::string> entries;
  for (int i = 0; i < 20; ++i) {
    entries.push_back(fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})", kManifestType,
                                  sha256(std::to_string(i)), 4 << 20));
  }
  expect_refused(Errc::Limit, "the documents of all images have more than 8388608 bytes",
                 layout(index_of(entries), {}));
}

TEST_F(OciArchiveTest, SaysWhyThereIsNoImage) {
  const std::string artifact = R"({"schemaVersion":2,"artifactType":"application/x","config":)" +
                               descriptor("application/vnd.oci.empty.v1+json", "{}") +
                               R"(,"layers":[]})";
  expect_refused(Errc::NotFound,
                 "is an artifact, not an image: its config is of type "
                 "'application/vnd.oci.empty.v1+json'",
                 layout(index_of({descriptor(kManifestType, artifact)}), {})
                     .file(blob_name(artifact), artifact));
  expect_refused(Errc::NotFound, "it holds no image: manifest " + sha256("x") + " is missing",
                 layout(index_of({descriptor(kManifestType, "x")}), {}));
  expect_refused(Errc::NotFound, "has the media type 'text/plain', which is no image",
                 layout(index_of({descriptor("text/plain", "x")}), {}));
  const std::string sha512 = "sha512:" + std::string(128, '0');
  expect_refused(Errc::NotFound, "has a digest that is not known",
                 layout(index_of({fmt::format(R"({{"mediaType":"{}","digest":"{}","size":1}})",
                                              kManifestType, sha512)}),
                        {}));
  expect_refused(Errc::NotFound, "it holds no image", layout(index_of({}), {}));
}

TEST_F(OciArchiveTest, RefusesDigestsThatAreNone) {
  for (const std::string& digest : {"sha256:../../../etc/passwd" + std::string(38, 'x'),
                                    "sha256:" + std::string(64, 'A'), std::string("sha256:00")}) {
    expect_refused(Errc::Invalid, "index.json",
                   layout(index_of({fmt::format(R"({{"mediaType":"{}","digest":"{}","size":1}})",
                                                kManifestType, digest)}),
                          {}));
  }
}

TEST_F(OciArchiveTest, RefusesLayersItCannotUnpack) {
  TestImage image;
  image.manifest = manifest_of(image.config, descriptor("application/x-cpio", kLayer));
  expect_refused(Errc::Unsupported, "has the media type 'application/x-cpio', which is not known",
                 layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
}

TEST_F(OciArchiveTest, ForeignLayersMustBeInTheArchive) {
  TestImage image;
  image.manifest = manifest_of(
      image.config,
      descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "far away"));
  const auto archive = open(layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
  const auto images = archive->images(std::nullopt);
  expect_error(Errc::NotFound,
               "foreign layer " + sha256("far away") + " is missing from the archive",
               [&] { archive->open_layer(images[0].layers[0]); });
}

TEST_F(OciArchiveTest, RefusesAnotherNumberOfLayersThanTheConfigHas) {
  TestImage image;
  image.manifest = manifest_of(image.config, "");
  expect_refused(Errc::Invalid, "it has 0 layers, its config 1",
                 layout(index_of({descriptor(kManifestType, image.manifest)}), {image}));
}

TEST_F(OciArchiveTest, HoldsTheLayoutAgainstItsVersion) {
  const TestImage image;
  const std::string index = index_of({descriptor(kManifestType, image.manifest)});
  TarBuilder without;
  image.add_to(without);
  without.file("index.json", index);
  EXPECT_EQ(ids(without), Ids{image.id()});
  EXPECT_NE(warnings_.find("has no file 'oci-layout'"), std::string::npos);
  expect_error(Errc::Unsupported, "image layout version '2.0.0' is not known", [&] {
    open(TarBuilder()
             .file("oci-layout", R"({"imageLayoutVersion":"2.0.0"})")
             .file("index.json", index));
  });
}

TEST_F(OciArchiveTest, RefusesALargeIndex) {
  expect_refused(
      Errc::Limit, "'index.json': it is larger than 4194304 bytes (the limit max-json-size)",
      TarBuilder().file("oci-layout", kLayout).file("index.json", std::string(5 << 20, ' ')));
}

/// An image layout directory made in the test.
class OciDirectoryTest : public OciArchiveTest {
 protected:
  void put(const std::string& name, std::string_view bytes) {
    write_file_at(dir_.fd(), "layout/" + name, bytes, 0644);
  }
  void put_image(const TestImage& image) {
    make_dirs(dir_.path("layout/blobs/sha256"), 0755);
    put("oci-layout", kLayout);
    put("index.json", index_of({descriptor(kManifestType, image.manifest)}));
    put(blob_name(image.config), image.config);
    put(blob_name(image.manifest), image.manifest);
  }
  std::unique_ptr<ArchiveReader> open_layout() {
    return open_archive(dir_.path("layout"), store(), context_);
  }
};

TEST_F(OciDirectoryTest, FollowsBlobsThatAreLinksInsideTheLayout) {
  const TestImage image;
  put_image(image);
  put("rootfs.tar", kLayer);
  make_symlink_at("../../rootfs.tar", dir_.fd(), "layout/" + blob_name(kLayer));
  const auto archive = open_layout();
  EXPECT_EQ(archive->format(), "oci");
  EXPECT_EQ(read_layer(*archive, archive->images(std::nullopt)[0].layers[0]), kLayer);
}

TEST_F(OciDirectoryTest, LinksDoNotLeadOutOfTheLayout) {
  const TestImage image;
  put_image(image);
  write("outside.tar", kLayer);
  make_symlink_at("../../../outside.tar", dir_.fd(), "layout/" + blob_name(kLayer));
  const auto archive = open_layout();
  const auto images = archive->images(std::nullopt);
  expect_error(Errc::NotFound, "is missing from the archive",
               [&] { archive->open_layer(images[0].layers[0]); });
}

TEST_F(OciDirectoryTest, RefusesBlobsThatAreNoFiles) {
  const TestImage image;
  put_image(image);
  make_dir_at(dir_.fd(), "layout/" + blob_name(kLayer), 0755);
  expect_error(Errc::Invalid, "it is not a regular file",
               [this] { open_layout()->images(std::nullopt); });
}

TEST_F(OciDirectoryTest, NeedsTheFileOciLayout) {
  const TestImage image;
  put_image(image);
  unlink_at(dir_.fd(), "layout/oci-layout");
  expect_error(Errc::Invalid, "the image layout has no file 'oci-layout'",
               [this] { open_layout(); });
}

}  // namespace
}  // namespace layerkit::testing
