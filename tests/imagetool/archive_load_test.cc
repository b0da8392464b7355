#include <atomic>

#include "image_store_fixture.h"

namespace layerkit::testing {
namespace {

using LoadTest = ImageStoreTest;

const std::string kBase = layer_tar("etc/motd", "base\n");
const std::string kTop = layer_tar("etc/issue", "top\n");
const std::string kApp = layer_tar("app", "app\n");

/// Layers as l0, l1, …, the config as c.
TarBuilder archive_of(const std::vector<std::string>& layers, std::string_view tag) {
  TarBuilder tar;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    names.push_back(fmt::format("l{}", i));
    tar.file(names.back(), layers[i]);
  }
  return tar.file("c", image_config(layers))
      .file("manifest.json", "[" + manifest_item("c", tag, names) + "]");
}

std::string text_of(const LayerTree& tree, const char* path) {
  return read_all(*tree.open(RelPath::parse(path)), 1 << 20, path);
}

TEST_F(LoadTest, UnpacksLayersInOrderAndPublishesTheName) {
  const auto results = load(archive_of({kBase, kTop}, "app:1"));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].image.str(), sha256(image_config({kBase, kTop})));
  EXPECT_EQ(results[0].names, std::vector{ImageName::parse("app:1")});
  EXPECT_TRUE(results[0].moved.empty());
  const ImageStore::Record record = images().find("app:1");
  EXPECT_EQ(record.image.config_bytes(), image_config({kBase, kTop}));
  const auto tree = images().layers().view(record.image.top());
  EXPECT_EQ(text_of(*tree, "etc/motd"), "base\n");
  EXPECT_EQ(text_of(*tree, "etc/issue"), "top\n");
  EXPECT_EQ(staged(), std::vector<std::string>{});
}

TEST_F(LoadTest, LoadsAnUnnamedImageAndOneWithoutLayers) {
  const auto results = load(archive_of({}, ""));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0].names.empty());
  EXPECT_EQ(images().list().size(), 1U);
}

TEST_F(LoadTest, UnpacksCompressedLayers) {
  for (const Compression compression : {Compression::Gzip, Compression::Zstd}) {
    const std::string name(compression_name(compression));
    const std::string layer = layer_tar("file", name);
    load(TarBuilder()
             .file("l", compressed(layer, compression))
             .file("c", image_config({layer}))
             .file("manifest.json", "[" + manifest_item("c", name + ":1", {"l"}) + "]"));
    const auto tree = images().layers().view(images().find(name + ":1").image.top());
    EXPECT_EQ(text_of(*tree, "file"), name);
  }
}

TEST_F(LoadTest, ALayerThatIsThereIsNotReadAgain) {
  load(archive_of({kBase, kTop}, "app:1"));
  // The same image in an archive without its layers: nothing is missed.
  const auto results =
      load(TarBuilder()
               .file("c", image_config({kBase, kTop}))
               .file("manifest.json", "[" + manifest_item("c", "app:2", {"x", "y"}) + "]"));
  EXPECT_EQ(results[0].names, std::vector{ImageName::parse("app:2")});
  EXPECT_EQ(images().list().size(), 1U);
  EXPECT_EQ(images().layers().layers().size(), 2U);
}

TEST_F(LoadTest, ImagesShareLayersWithinOneArchive) {
  const std::string one = image_config({kBase, kTop});
  const std::string two = image_config({kBase, kApp});
  std::map<std::string, int> read;
  context_.progress = [&](const std::string& what, std::uint64_t done, std::uint64_t total) {
    if (done == total) read[what] = 1;
  };
  const auto results =
      load(TarBuilder()
               .file("base", kBase)
               .file("top", kTop)
               .file("app", kApp)
               .file("one", one)
               .file("two", two)
               .file("manifest.json", "[" + manifest_item("one", "one:1", {"base", "top"}) + "," +
                                          manifest_item("two", "two:1", {"base", "app"}) + "]"));
  EXPECT_EQ(results.size(), 2U);
  EXPECT_EQ(images().layers().layers().size(), 3U);
  EXPECT_EQ(read, (std::map<std::string, int>{{"image 1/2 (one:1): layer 1/2", 1},
                                              {"image 1/2 (one:1): layer 2/2", 1},
                                              {"image 2/2 (two:1): layer 2/2", 1}}));
}

TEST_F(LoadTest, TellsWhichNamesMoved) {
  const ImageId old_image = load(archive_of({kBase}, "app:1"))[0].image;
  const auto results = load(archive_of({kTop}, "app:1"));
  EXPECT_EQ(results[0].moved,
            (std::map<ImageName, ImageId>{{ImageName::parse("app:1"), old_image}}));
  EXPECT_TRUE(load(archive_of({kTop}, "app:1"))[0].moved.empty());
  EXPECT_EQ(images().list().size(), 2U);
}

TEST_F(LoadTest, AWrongDiffIdLeavesNothing) {
  load(archive_of({kApp}, "app:1"));
  const auto layers = images().layers().layers().size();
  expect_error(Errc::Integrity, sha256(kTop), [this] {
    load(TarBuilder()
             .file("l0", kBase)
             .file("l1", kApp)
             .file("c", image_config({kBase, kTop}))
             .file("manifest.json", "[" + manifest_item("c", "app:1", {"l0", "l1"}) + "]"));
  });
  EXPECT_EQ(images().find("app:1").image.id().str(), sha256(image_config({kApp})));
  EXPECT_EQ(images().list().size(), 1U);
  EXPECT_EQ(images().layers().layers().size(), layers);
  EXPECT_EQ(staged(), std::vector<std::string>{});
}

TEST_F(LoadTest, ErrorsSayWhere) {
  const std::string where = fmt::format(
      "loading '{}': image 1/1 (app:1): layer 2/2 ({}): ", dir_.path("archive"), sha256(kTop));
  expect_error(Errc::NotFound, where + "the archive has no 'gone'", [this] {
    load(TarBuilder()
             .file("l0", kBase)
             .file("c", image_config({kBase, kTop}))
             .file("manifest.json", "[" + manifest_item("c", "app:1", {"l0", "gone"}) + "]"));
  });
  expect_nothing_stored();
  expect_error(Errc::Integrity, where, [this] {
    load(TarBuilder()
             .file("l0", kBase)
             .file("l1", kApp)
             .file("c", image_config({kBase, kTop}))
             .file("manifest.json", "[" + manifest_item("c", "app:1", {"l0", "l1"}) + "]"));
  });
  expect_nothing_stored();
}

TEST_F(LoadTest, ABrokenSecondImageTakesTheFirstWithIt) {
  expect_error(Errc::Integrity, "image 2/2 (two:1): layer 1/1", [this] {
    load(TarBuilder()
             .file("base", kBase)
             .file("one", image_config({kBase}))
             .file("two", image_config({kTop}))
             .file("manifest.json", "[" + manifest_item("one", "one:1", {"base"}) + "," +
                                        manifest_item("two", "two:1", {"base"}) + "]"));
  });
  expect_nothing_stored();
}

TEST_F(LoadTest, WhatIsNoTarLeavesNothing) {
  for (const std::string& layer : {std::string(5000, 'x'), kBase.substr(0, 700),
                                   compressed(kBase, Compression::Gzip).substr(0, 60)}) {
    EXPECT_THROW(load(TarBuilder()
                          .file("l", layer)
                          .file("c", image_config({layer}))
                          .file("manifest.json", "[" + manifest_item("c", "app:1", {"l"}) + "]")),
                 Error);
    expect_nothing_stored();
  }
}

TEST_F(LoadTest, TrailingBytesOfALayerBlobAreVerifiedToo) {
  // What follows the last gzip member belongs to the blob; it is neither zeros nor a member.
  const std::string blob = compressed(kBase, Compression::Gzip) + "trailing";
  expect_error(Errc::Integrity, "layer 1/1", [&] {
    load(TarBuilder()
             .file("l", blob)
             .file("c", image_config({kBase}))
             .file("manifest.json", "[" + manifest_item("c", "app:1", {"l"}) + "]"));
  });
  expect_nothing_stored();
}

TEST_F(LoadTest, AnInterruptedLoadLeavesNothing) {
  const std::string path = write("archive", archive_of({kBase, kTop}, "app:1").finish());
  std::atomic<bool> stop{false};
  context_.interrupted = &stop;
  context_.progress = [&](const std::string& what, std::uint64_t, std::uint64_t) {
    if (what.find("layer 2/2") != std::string::npos) stop = true;
  };
  expect_error(Errc::Interrupted, "layer 2/2", [&] { load(path); });
  expect_nothing_stored();
  context_.interrupted = nullptr;
  EXPECT_EQ(load(path).size(), 1U);
}

TEST_F(LoadTest, WarnsWhenTheMediaTypeNamesAnotherCompression) {
  const std::string config = image_config({kBase});
  const std::string manifest = fmt::format(
      R"({{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",)"
      R"("digest":"{}","size":{}}},"layers":[{{"mediaType":)"
      R"("application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":{}}}]}})",
      sha256(config), config.size(), sha256(kBase), kBase.size());
  const std::string index =
      fmt::format(R"({{"schemaVersion":2,"manifests":[{{"mediaType":)"
                  R"("application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}]}})",
                  sha256(manifest), manifest.size());
  load(TarBuilder()
           .file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")
           .file("index.json", index)
           .file(blob_name(manifest), manifest)
           .file(blob_name(config), config)
           .file(blob_name(kBase), kBase));
  EXPECT_NE(warnings_.find("its compression is none, its media type says gzip"), std::string::npos)
      << warnings_;
}

/// Fails at one step of the publication.
class FailingImageStore final : public ImageStore {
 public:
  enum class Step { SecondPut, SetNames };
  FailingImageStore(ImageStore& inner, Step step) : inner_(inner), step_(step) {}

  Store& layers() noexcept override { return inner_.layers(); }
  const std::string& root() const noexcept override { return inner_.root(); }
  std::vector<Record> list() const override { return inner_.list(); }
  Record find(std::string_view name) const override { return inner_.find(name); }
  void put(const Image& image) override {
    if (step_ == Step::SecondPut && ++puts_ == 2) fail(Errc::Io, "no space");
    inner_.put(image);
  }
  std::map<ImageName, ImageId> set_names(const std::map<ImageName, ImageId>& names) override {
    if (step_ == Step::SetNames) fail(Errc::Io, "no space");
    return inner_.set_names(names);
  }
  void set_users(Users users) override { inner_.set_users(std::move(users)); }
  Removed remove(std::string_view name, bool force) override { return inner_.remove(name, force); }
  Pruned prune(const std::function<bool(const Record&)>& unwanted) override {
    return inner_.prune(unwanted);
  }
  std::uint64_t size(const Image& image) const override { return inner_.size(image); }

 private:
  ImageStore& inner_;
  Step step_;
  int puts_ = 0;
};

TEST_F(LoadTest, AFailureWhilePublishingTakesBackWhatThisLoadAddedOnly) {
  load(archive_of({kBase}, "kept:1"));
  const std::string path = write(
      "two", TarBuilder()
                 .file("base", kBase)
                 .file("top", kTop)
                 .file("app", kApp)
                 .file("one", image_config({kBase, kTop}))
                 .file("two", image_config({kApp}))
                 .file("manifest.json", "[" + manifest_item("one", "one:1", {"base", "top"}) + "," +
                                            manifest_item("two", "kept:1", {"app"}) + "]")
                 .finish());
  for (const auto step : {FailingImageStore::Step::SecondPut, FailingImageStore::Step::SetNames}) {
    FailingImageStore failing(images(), step);
    const auto archive = open_archive(path, images().layers(), context_);
    expect_error(Errc::Io, "no space",
                 [&] { load_images(failing, *archive, std::nullopt, context_); });
    ASSERT_EQ(images().list().size(), 1U);
    EXPECT_EQ(images().find("kept:1").image.id().str(), sha256(image_config({kBase})));
    EXPECT_EQ(images().layers().layers().size(), 1U);
  }
}

}  // namespace
}  // namespace layerkit::testing
