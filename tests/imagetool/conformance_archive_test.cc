#include "image_store_fixture.h"
#include "oci_builder.h"

namespace layerkit::testing {
namespace {

const std::string kBase = layer_tar("etc/motd", "base\n");
const std::string kTop = layer_tar("etc/issue", "top\n");

std::string docker_manifest(std::string_view config,
                            std::string_view tag,
                            const std::vector<std::string>& layers) {
  return "[" + manifest_item(config, tag, layers) + "]";
}

/// What an archive of images means, rule by rule; tests are named by the rule's number and what it
/// protects.
class ConformanceOfArchives : public ImageStoreTest {
 protected:
  static TarBuilder layout(const std::string& index) {
    return TarBuilder().file("oci-layout", kLayout).file("index.json", index);
  }
  /// A layout of one image with this manifest; its blobs are to be added.
  static TarBuilder layout_of(const std::string& manifest) {
    return layout(index_of({descriptor(kManifestType, manifest)}))
        .file(blob_name(manifest), manifest);
  }
  static TarBuilder& add(TarBuilder& tar, const std::vector<std::string>& blobs) {
    for (const std::string& blob : blobs)
      tar.file(blob_name(blob), blob);
    return tar;
  }
  std::vector<std::string> ids(const TarBuilder& tar, const char* wanted = nullptr) {
    std::optional<Platform> platform;
    if (wanted != nullptr) platform = Platform::parse(wanted);
    std::vector<std::string> all;
    const auto archive = open(tar);
    for (const ArchivedImage& image : archive->images(platform))
      all.push_back(image.image.id().str());
    return all;
  }
  void expect_load_refused(Errc code, const std::string& text, const TarBuilder& tar) {
    expect_error(code, text, [&] { load(tar); });
    expect_nothing_stored();
  }
};

TEST_F(ConformanceOfArchives, C37_CompressionIsSniffedAndAWrongMediaTypeIsAWarning) {
  const std::string config = image_config({kBase});
  const std::string zstd = compressed(kBase, Compression::Zstd);
  const std::string manifest =
      manifest_of(config, descriptor(std::string(kLayerType) + "+gzip", zstd));
  TarBuilder tar = layout_of(manifest);
  EXPECT_EQ(load(add(tar, {config, zstd})).size(), 1U);
  EXPECT_NE(warnings_.find("its compression is zstd, its media type says gzip"), std::string::npos)
      << warnings_;
  const std::string unknown = manifest_of(config, descriptor("application/x-cpio", kBase));
  TarBuilder other = layout_of(unknown);
  expect_error(Errc::Unsupported, "media type 'application/x-cpio', which is not known", [&] {
    load(add(other, {config, kBase}));
  });
}

TEST_F(ConformanceOfArchives, C38_SizesDigestsAndCountsAreVerifiedBeforeUse) {
  const std::string config = image_config({kBase});
  const std::string layer = descriptor(kLayerType, kBase);
  const auto refused = [&](Errc code, const std::string& text, const std::string& layers,
                           const std::vector<std::string>& blobs) {
    TarBuilder tar = layout_of(manifest_of(config, layers));
    expect_load_refused(code, text, add(tar, blobs));
  };
  const std::string wrong_size = fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})",
                                             kLayerType, sha256(kBase), kBase.size() + 1);
  refused(Errc::Integrity, "its descriptor says", wrong_size, {config, kBase});
  const std::string negative =
      fmt::format(R"({{"mediaType":"{}","digest":"{}","size":-1}})", kLayerType, sha256(kBase));
  refused(Errc::Invalid, "size", negative, {config, kBase});
  refused(Errc::Invalid, "it has 0 layers, its config 1", "", {config, kBase});
  // The descriptors are right; the config promises another layer.
  const std::string other = image_config({kTop});
  TarBuilder tar = layout_of(manifest_of(other, layer));
  expect_load_refused(Errc::Integrity, "does not match its digest", add(tar, {other, kBase}));
  std::string not_layers = config;
  not_layers.replace(not_layers.find("\"layers\""), 8, "\"sheets\"");
  TarBuilder typed = layout_of(manifest_of(not_layers, layer));
  expect_load_refused(Errc::Invalid, "rootfs.type", add(typed, {not_layers, kBase}));
}

TEST_F(ConformanceOfArchives, C38_LargeDocumentsAreRefusedBeforeTheyAreRead) {
  const std::string blanks(5 << 20, ' ');
  expect_load_refused(Errc::Limit, "larger than",
                      TarBuilder().file("manifest.json", "[" + blanks + "]"));
  expect_load_refused(Errc::Limit, "larger than", layout(blanks));
  expect_load_refused(
      Errc::Limit, "larger than",
      TarBuilder().file("c", blanks).file("manifest.json", docker_manifest("c", "", {})));
}

TEST_F(ConformanceOfArchives, C39_HistoryMayDisagreeAndForeignLayersAreNeverFetched) {
  std::string config = image_config({kBase});
  config.insert(1, R"("history":[{"created_by":"a"},{"created_by":"b"},{"empty_layer":true}],)");
  EXPECT_EQ(load(TarBuilder()
                     .file("c", config)
                     .file("l", kBase)
                     .file("manifest.json", docker_manifest("c", "odd:1", {"l"})))
                .size(),
            1U);
  EXPECT_EQ(images().find("odd:1").image.config_bytes(), config);
  const std::string foreign = fmt::format(
      R"({{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar","digest":"{}",)"
      R"("size":{},"urls":["http://127.0.0.1:1/steal"]}})",
      sha256(kTop), kTop.size());
  const std::string of_foreign = image_config({kTop});
  TarBuilder without = layout_of(manifest_of(of_foreign, foreign));
  expect_error(Errc::NotFound, "foreign layer " + sha256(kTop) + " is missing from the archive",
               [&] { load(add(without, {of_foreign})); });
  TarBuilder with = layout_of(manifest_of(of_foreign, foreign));
  EXPECT_EQ(load(add(with, {of_foreign, kTop})).size(), 1U);
}

TEST_F(ConformanceOfArchives, C40_MembersInAnyOrderAndLinkedLayers) {
  const std::string config = image_config({kBase, kTop, kBase, kTop});
  const std::string gzip = compressed(kTop, Compression::Gzip);
  const auto results =
      load(TarBuilder()
               .file("./manifest.json",
                     docker_manifest("sha256:" + hex_of(config), "app:1",
                                     {"a/layer.tar", "b.tar.gz", "c/layer.tar", "hard"}))
               .directory("a/")
               .file("a/layer.tar", kBase)
               .symlink("c/layer.tar", "../a/layer.tar")
               .file("b.tar.gz", gzip)
               .hard_link("hard", "b.tar.gz")
               .file("sha256:" + hex_of(config), config));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].image.str(), sha256(config));
}

TEST_F(ConformanceOfArchives, C40_TheLastManifestCountsAndNullsAreEmpty) {
  const std::string config = image_config({});
  const auto results =
      load(TarBuilder()
               .file("manifest.json", docker_manifest("gone", "old:1", {"gone"}))
               .file("c", config)
               .file("manifest.json",
                     R"([{"Config":"c","RepoTags":null,"Layers":null,"Parent":"","Extra":1}])"));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0].names.empty());
}

TEST_F(ConformanceOfArchives, C40_LinksLeadNeitherOutNorInCircles) {
  const std::string config = image_config({kBase});
  for (const char* target : {"../../etc/passwd", "/etc/passwd", "l"}) {
    expect_error(std::string_view(target) == "/etc/passwd" ? Errc::NotFound : Errc::Invalid, "",
                 [&] {
                   load(TarBuilder()
                            .symlink("l", target)
                            .file("c", config)
                            .file("manifest.json", docker_manifest("c", "", {"l"})));
                 });
    expect_nothing_stored();
  }
}

TEST_F(ConformanceOfArchives, C41_OneArchiveForBothReadersIsOneImage) {
  const std::string config = image_config({kBase});
  const std::string manifest = manifest_of(config, descriptor(kLayerType, kBase));
  const std::string index = index_of({descriptor(
      kManifestType, manifest, annotation("io.containerd.image.name", "docker.io/library/a:1"))});
  TarBuilder tar = layout(index).file(
      "manifest.json", docker_manifest(blob_name(config), "a:2", {blob_name(kBase)}));
  const auto results = load(add(tar, {manifest, config, kBase}));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].image.str(), sha256(config));
  EXPECT_EQ(images().find("a:2").image.id().str(), sha256(config));
}

TEST_F(ConformanceOfArchives, C42_NestedIndexesPlatformsAndAttestations) {
  const auto config_for = [](const char* architecture) {
    return image_config({kBase}, fmt::format(R"("architecture":"{}","os":"linux")", architecture));
  };
  const std::string layer = descriptor(kLayerType, kBase);
  const std::string amd = config_for("amd64");
  const std::string arm = config_for("arm");
  const std::string unknown = config_for("unknown");
  const std::string amd_manifest = manifest_of(amd, layer);
  const std::string arm_manifest = manifest_of(arm, layer);
  const std::string attestation = manifest_of(unknown, layer);
  const std::string nested =
      index_of({descriptor(kManifestType, attestation,
                           R"(,"platform":{"os":"unknown","architecture":"unknown"},"annotations":)"
                           R"({"vnd.docker.reference.type":"attestation-manifest"})"),
                descriptor(kManifestType, arm_manifest, platform("arm", "v6")),
                descriptor(kManifestType, amd_manifest, platform("amd64")),
                descriptor(kManifestType, amd_manifest, platform("amd64"))});
  TarBuilder tar = layout(index_of({descriptor(kIndexType, nested)}));
  add(tar, {nested, attestation, arm_manifest, amd_manifest, amd, arm, unknown, kBase});
  EXPECT_EQ(ids(tar, "linux/amd64"), std::vector<std::string>{sha256(amd)});
  EXPECT_EQ(ids(tar, "linux/arm/v7"), std::vector<std::string>{sha256(arm)});
}

TEST_F(ConformanceOfArchives, C42_EmbeddedDataMustMatchItsDigest) {
  const std::string entry =
      descriptor(kManifestType, "bar", R"(,"data":"Zm9v")");  // "foo" in base64
  expect_load_refused(Errc::Invalid, "'manifests[0].data' does not match its descriptor",
                      layout(index_of({entry})));
}

TEST_F(ConformanceOfArchives, C43_DocumentsThatMeanTwoThingsAreRefused) {
  const std::string config = image_config({kBase});
  std::string both = manifest_of(config, descriptor(kLayerType, kBase));
  both.insert(1, R"("manifests":[],)");
  expect_load_refused(Errc::Invalid, "'manifests' does not belong into such a document",
                      layout_of(both));
  std::string contradicts = manifest_of(config, descriptor(kLayerType, kBase));
  contradicts.insert(1, fmt::format(R"("mediaType":"{}",)", kIndexType));
  expect_load_refused(Errc::Invalid, "mediaType", layout_of(contradicts));
  for (const std::string& json :
       {std::string(R"([{"Config":"a","Config":"b"}])"), std::string(R"([{"Config":1.5}])"),
        std::string(R"([{"Config":"a\u0000b"}])"), std::string("[]x")}) {
    expect_load_refused(Errc::Invalid, "", TarBuilder().file("manifest.json", json));
  }
  expect_load_refused(Errc::Limit, "manifest.json",
                      TarBuilder().file("manifest.json", std::string(100'000, '[')));
}

TEST_F(ConformanceOfArchives, C43_DigestsAreParsedAndNeverPaths) {
  const auto index_with = [](const std::string& digest) {
    return layout(fmt::format(R"({{"schemaVersion":2,"manifests":[{{"mediaType":"{}",)"
                              R"("digest":"{}","size":3}}]}})",
                              kManifestType, digest));
  };
  for (const char* digest :
       {"sha256:../../../../etc/passwd", "sha256:ABCDEF",
        "sha256:", "sha256:5F70BF18A086007016E948B04AED3B82103A36BEA41755B6CDDFAF10ACE3C6EF"}) {
    expect_load_refused(Errc::Invalid, "digest", index_with(digest));
  }
  // Of no algorithm that is known: passed over, as the specification has it.
  expect_load_refused(Errc::NotFound, "it holds no image", index_with("../x"));
  for (const char* config : {"../../x", "/etc/passwd", "sha256:../.."}) {
    EXPECT_THROW(load(TarBuilder().file("manifest.json", docker_manifest(config, "", {}))), Error);
    expect_nothing_stored();
  }
}

TEST_F(ConformanceOfArchives, C44_BlobsMayBeLinksInsideALayoutDirectory) {
  const std::string config = image_config({kBase});
  const std::string manifest = manifest_of(config, descriptor(kLayerType, kBase));
  make_dirs(dir_.path("layout/blobs/sha256"), 0755);
  const auto put = [this](const std::string& name, std::string_view bytes) {
    write_file_at(dir_.fd(), "layout/" + name, bytes, 0644);
  };
  put("oci-layout", kLayout);
  put("index.json", index_of({descriptor(kManifestType, manifest)}));
  put(blob_name(manifest), manifest);
  put(blob_name(config), config);
  write("outside.tar", kBase);
  const std::string link = "layout/" + blob_name(kBase);
  make_symlink_at("../../../outside.tar", dir_.fd(), link);
  expect_error(Errc::NotFound, "is missing from the archive", [&] { load(dir_.path("layout")); });
  expect_nothing_stored();
  unlink_at(dir_.fd(), link);
  put("rootfs.tar", kBase);
  make_symlink_at("../../rootfs.tar", dir_.fd(), link);
  EXPECT_EQ(load(dir_.path("layout")).size(), 1U);
  put("oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  expect_error(Errc::Unsupported, "image layout version '2.0.0' is not known",
               [&] { load(dir_.path("layout")); });
}

TEST_F(ConformanceOfArchives, C45_ALoadThatFailsLeavesNothingOfAnyOfItsImages) {
  std::string broken = kTop;
  broken[600] = '?';
  expect_load_refused(Errc::Integrity, "does not match its digest",
                      TarBuilder()
                          .file("a", image_config({kBase}))
                          .file("b", image_config({kTop}))
                          .file("base", kBase)
                          .file("top", broken)
                          .file("manifest.json", "[" + manifest_item("a", "a:1", {"base"}) + "," +
                                                     manifest_item("b", "b:1", {"top"}) + "]"));
}

TEST_F(ConformanceOfArchives, R02_ConfigBytesAndImageIdSurviveEveryFormat) {
  // Spaces, unknown members and an order that no JSON library writes.
  std::string config =
      "{ \"x-unknown\" : [1.50, null ] ,\n" + image_config({kBase, kTop}).substr(1);
  load(TarBuilder()
           .file("c", config)
           .file("1", kBase)
           .file("2", kTop)
           .file("manifest.json", docker_manifest("c", "app:1", {"1", "2"})));
  int number = 0;
  for (const ArchiveFormat format :
       {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive, ArchiveFormat::OciDirectory}) {
    const std::string saved = dir_.path(fmt::format("saved{}", ++number));
    save_images(images(), {{images().find("app:1").image, {ImageName::parse("app:1")}}},
                {format, std::nullopt}, saved, context_);
    const auto fresh = ImageStore::open(dir_.path(fmt::format("fresh{}", number)));
    const auto archive = open_archive(saved, fresh->layers(), context_);
    EXPECT_EQ(load_images(*fresh, *archive, std::nullopt, context_)[0].image.str(), sha256(config));
    EXPECT_EQ(fresh->find("app:1").image.config_bytes(), config);
  }
}

}  // namespace
}  // namespace layerkit::testing
