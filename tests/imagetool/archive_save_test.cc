#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "image_store_fixture.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit::testing {
namespace {

namespace fs = std::filesystem;

const std::string kBase = layer_tar("etc/motd", "base\n");
const std::string kTop = layer_tar("etc/issue", std::string(100'000, 't'));
const std::string kApp = layer_tar("app", "app\n");

class SaveTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    load(TarBuilder()
             .file("base", kBase)
             .file("top", kTop)
             .file("app", kApp)
             .file("one", image_config({kBase, kTop}))
             .file("two", image_config({kBase, kApp}))
             .file("none", image_config({}))
             .file("manifest.json", "[" + manifest_item("one", "one:1", {"base", "top"}) + "," +
                                        manifest_item("two", "example.com/two:2", {"base", "app"}) +
                                        "," + manifest_item("none", "none:3", {}) + "]"));
  }

  SaveItem item(const char* name) {
    const ImageStore::Record record = images().find(name);
    return {record.image, record.names};
  }
  std::string save(const std::vector<SaveItem>& items,
                   const SaveOptions& options,
                   const std::string& name = "saved") {
    save_images(images(), items, options, dir_.path(name), context_);
    return dir_.path(name);
  }
  std::vector<std::string> members(const std::string& path) {
    const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
    FdSource source(file.get(), path);
    const auto reader = make_tar_reader(source, TarDialect::Literal);
    std::vector<std::string> names;
    while (const auto entry = reader->next())
      names.push_back(entry->path.str());
    return names;
  }
  std::string bytes_of(const std::string& path) { return read_file_at(AT_FDCWD, path, 16 << 20); }
  /// What else is in the test's directory.
  std::vector<std::string> siblings() {
    std::vector<std::string> names;
    for (const DirEntry& entry : list_dir(dir_.fd())) {
      if (entry.name != "images" && entry.name != "store" && entry.name != "archive") {
        names.push_back(entry.name);
      }
    }
    return names;
  }
  /// Changes a stored file behind the store's back, keeping its size.
  void tamper() {
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path("images/overlay2"))) {
      if (entry.path().filename() == "issue" && entry.is_regular_file()) {
        const Fd file = open_at(AT_FDCWD, entry.path().string(), O_WRONLY);
        ASSERT_EQ(::pwrite(file.get(), "X", 1, 50'000), 1);
      }
    }
  }
};

TEST_F(SaveTest, EveryFormatAndCompressionLoadsAsTheSameImages) {
  int number = 0;
  for (const ArchiveFormat format :
       {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive, ArchiveFormat::OciDirectory}) {
    for (const auto& compression : std::vector<std::optional<Compression>>{
             std::nullopt, Compression::None, Compression::Gzip, Compression::Zstd}) {
      const std::string saved = save({item("one:1"), item("example.com/two:2"), item("none:3")},
                                     {format, compression}, fmt::format("saved{}", ++number));
      const auto fresh = ImageStore::open(dir_.path(fmt::format("fresh{}", number)));
      const auto archive = open_archive(saved, fresh->layers(), context_);
      const auto results = load_images(*fresh, *archive, std::nullopt, context_);
      EXPECT_EQ(results.size(), 3U);
      for (const char* name : {"one:1", "example.com/two:2", "none:3"}) {
        const Image copy = fresh->find(name).image;
        EXPECT_EQ(copy.config_bytes(), images().find(name).image.config_bytes()) << saved;
      }
      EXPECT_EQ(fresh->layers().layers().size(), 3U);
    }
  }
  EXPECT_EQ(warnings_, "");
}

TEST_F(SaveTest, ADockerArchiveHasItsIndexFirstAndEachLayerOnce) {
  const std::string saved =
      save({item("one:1"), item("example.com/two:2")}, {ArchiveFormat::DockerArchive, {}});
  EXPECT_EQ(members(saved),
            (std::vector<std::string>{
                "manifest.json", "repositories", images().find("one:1").image.id().hex() + ".json",
                images().find("example.com/two:2").image.id().hex() + ".json",
                hex_of(kBase) + ".tar", hex_of(kTop) + ".tar", hex_of(kApp) + ".tar"}));
  const auto archive = open_archive(saved, images().layers(), context_);
  EXPECT_EQ(read_layer(*archive, hex_of(kTop) + ".tar"), kTop);
}

TEST_F(SaveTest, TheSameImagesGiveTheSameBytes) {
  for (const ArchiveFormat format : {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive}) {
    const std::string first = bytes_of(save({item("one:1")}, {format, {}}, "first"));
    EXPECT_EQ(first, bytes_of(save({item("one:1")}, {format, {}}, "second")));
  }
}

TEST_F(SaveTest, AnImageAskedForTwiceIsSavedOnceWithAllNames) {
  const Image image = images().find("one:1").image;
  const SaveItem other{image, {ImageName::parse("other:1")}};
  const std::string saved = save({item("one:1"), other}, {ArchiveFormat::DockerArchive, {}});
  const auto found = open_archive(saved, store(), context_)->images(std::nullopt);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(names_of(found[0]), (std::vector<std::string>{"one:1", "other:1"}));
}

TEST_F(SaveTest, AnUnnamedImageStaysUnnamed) {
  for (const ArchiveFormat format : {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive}) {
    const std::string saved = save({{images().find("one:1").image, {}}}, {format, {}});
    EXPECT_TRUE(open_archive(saved, store(), context_)->images(std::nullopt)[0].names.empty());
  }
}

TEST_F(SaveTest, AFailureLeavesNoFileAndKeepsAnOlderOne) {
  write("saved", "older");
  tamper();
  for (const ArchiveFormat format : {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive}) {
    expect_error(Errc::Integrity, "saving to '" + dir_.path("saved") + "'", [&] {
      save({item("one:1")}, {format, {}});
    });
    EXPECT_EQ(bytes_of(dir_.path("saved")), "older");
    EXPECT_EQ(siblings(), std::vector<std::string>{"saved"});
  }
}

TEST_F(SaveTest, AFailureRemovesADirectoryOnlyWhenItMadeIt) {
  tamper();
  make_dir_at(dir_.fd(), "existing", 0700);
  for (const char* name : {"existing", "absent"}) {
    expect_error(Errc::Integrity, "etc/issue", [&] {
      save({item("one:1")}, {ArchiveFormat::OciDirectory, {}}, name);
    });
  }
  EXPECT_EQ(siblings(), std::vector<std::string>{"existing"});
  EXPECT_TRUE(fs::is_empty(dir_.path("existing")));
}

TEST_F(SaveTest, ADirectoryMustBeEmptyOrALayout) {
  make_dir_at(dir_.fd(), "full", 0700);
  write("full/file", "mine");
  expect_error(Errc::Exists, "the directory is not empty", [&] {
    save({item("one:1")}, {ArchiveFormat::OciDirectory, {}}, "full");
  });
  EXPECT_EQ(bytes_of(dir_.path("full/file")), "mine");
  write("full/oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  expect_error(Errc::Unsupported, "2.0.0", [&] {
    save({item("one:1")}, {ArchiveFormat::OciDirectory, {}}, "full");
  });
}

TEST_F(SaveTest, AnInterruptedSaveLeavesNothing) {
  std::atomic<bool> stop{false};
  context_.interrupted = &stop;
  context_.progress = [&](const std::string& what, std::uint64_t, std::uint64_t) {
    if (what.find(hex_of(kBase)) != std::string::npos) stop = true;
  };
  expect_error(Errc::Interrupted, "saving to", [&] {
    save({item("one:1")}, {ArchiveFormat::DockerArchive, {}});
  });
  EXPECT_EQ(siblings(), std::vector<std::string>{});
}

TEST_F(SaveTest, WritesIntoAPipeAndThroughASymlink) {
  const std::string expected = bytes_of(save({item("one:1")}, {ArchiveFormat::DockerArchive, {}}));
  ASSERT_EQ(::mkfifo(dir_.path("fifo").c_str(), 0600), 0);
  std::string piped;
  std::thread reader([&] {
    const Fd fd = open_at(AT_FDCWD, dir_.path("fifo"), O_RDONLY);
    FdSource source(fd.get(), "fifo");
    piped = read_all(source, 16 << 20, "fifo");
  });
  save({item("one:1")}, {ArchiveFormat::DockerArchive, {}}, "fifo");
  reader.join();
  EXPECT_EQ(piped, expected);

  write("target", "older");
  make_symlink_at("target", dir_.fd(), "link");
  save({item("one:1")}, {ArchiveFormat::DockerArchive, {}}, "link");
  EXPECT_EQ(bytes_of(dir_.path("target")), expected);
  EXPECT_EQ(read_link_at(dir_.fd(), "link"), "target");
}

TEST_F(SaveTest, ADirectoryCannotGoToStandardOutput) {
  expect_error(Errc::Invalid, "cannot be written to standard output", [&] {
    save_images(images(), {item("one:1")}, {ArchiveFormat::OciDirectory, {}}, "-", context_);
  });
}

}  // namespace
}  // namespace layerkit::testing
