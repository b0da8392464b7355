// Real archives of other tools; LAYERKIT_CORPUS names the directory they are in.

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "image_store_fixture.h"

namespace layerkit::testing {
namespace {

struct Case {
  const char* path;
  std::vector<std::string> names;  ///< of all images
  std::vector<std::string> ids;    ///< 12 hex digits each
  const char* error = nullptr;
};

std::ostream& operator<<(std::ostream& out, const Case& test) {
  return out << test.path;
}

constexpr char kNotAnArchive[] = "is not an image archive";
constexpr char kEmpty[] = "its config is of type 'application/vnd.oci.empty.v1+json'";

const std::vector<Case> kCases = {
    {"dive/test-docker-image.tar", {"dive-test:latest"}, {"75ae28b8ebf8"}},
    {"dive/test-estargz-image.tar", {}, {}, kNotAnArchive},
    {"dive/test-gzip-image.tar", {}, {}, kNotAnArchive},
    {"dive/test-kaniko-image.tar", {"dive-test:kaniko-latest"}, {"ae16a51058a7"}},
    {"dive/test-oci-estargz-image.tar", {}, {"5c153971f5fe"}},
    {"dive/test-oci-gzip-image.tar", {}, {"3eaccc100f86"}},
    {"dive/test-oci-uncompressed-image.tar", {}, {"3eaccc100f86"}},
    {"dive/test-oci-zstd-image.tar", {}, {"3eaccc100f86"}},
    {"dive/test-uncompressed-image.tar", {}, {}, kNotAnArchive},
    {"dive/test-zstd-image.tar", {}, {}, kNotAnArchive},
    {"libimage/buildkit-docker.tar", {"github.com/buildkit/archive:docker"}, {"71de1148337f"}},
    {"libimage/buildkit-oci.tar", {"github.com/buildkit/archive:oci"}, {"71de1148337f"}},
    {"libimage/docker-name-only.tar.xz", {"pretty-empty:latest"}, {"ec9293436c2e"}},
    {"libimage/docker-registry-name.tar.xz", {"example.com/empty:latest"}, {"ec9293436c2e"}},
    {"libimage/docker-two-images.tar.xz",
     {"example.com/empty:latest", "example.com/empty/but:different"},
     {"ec9293436c2e", "5a7ef13e1893"}},
    {"libimage/docker-two-names.tar.xz",
     {"pretty-empty:latest", "example.com/empty:latest"},
     {"ec9293436c2e"}},
    {"libimage/docker-unnamed.tar.xz", {}, {"ec9293436c2e"}},
    {"libimage/exported-container.tar", {}, {}, kNotAnArchive},
    {"libimage/oci-name-only.tar.gz", {"pretty-empty:latest"}, {"5c8aca8137ac"}},
    {"libimage/oci-non-docker-name.tar.gz", {}, {"5c8aca8137ac"}},
    {"libimage/oci-registry-name.tar.gz", {"example.com/empty:latest"}, {"5c8aca8137ac"}},
    {"libimage/oci-unnamed.tar.gz", {}, {"5c8aca8137ac"}},
    {"libimage/artifacts/blobs-only", {}, {}, kEmpty},
    {"libimage/artifacts/config-only", {}, {}, "is 200 bytes, its descriptor says 506"},
    {"libimage/artifacts/index", {}, {}, "is an artifact, not an image: it has no config"},
    {"libimage/artifacts/no-blobs", {}, {}, kEmpty},
    // A checkout without symlinks: the blobs hold the paths they should link to.
    {"busybox-oci/glibc", {}, {}, "is 25 bytes, its descriptor says 610"},
};

class CorpusLayoutTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    const char* corpus = std::getenv("LAYERKIT_CORPUS");  // NOLINT(concurrency-mt-unsafe)
    if (corpus == nullptr) GTEST_SKIP() << "LAYERKIT_CORPUS is not set";
    corpus_ = corpus;
  }

  std::string corpus_;
};

class CorpusTest : public CorpusLayoutTest, public ::testing::WithParamInterface<Case> {};

/// Sorted names of everything in a store.
std::vector<std::string> all_names(const ImageStore& store) {
  std::vector<std::string> names;
  for (const ImageStore::Record& record : store.list()) {
    for (const ImageName& name : record.names)
      names.push_back(name.str());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> all_ids(const ImageStore& store) {
  std::vector<std::string> ids;
  for (const ImageStore::Record& record : store.list()) {
    ids.push_back(record.image.id().hex().substr(0, 12));
  }
  std::ranges::sort(ids);
  return ids;
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  return texts;
}

TEST_P(CorpusTest, LoadsAndSavesUnchangedOrSaysWhyNot) {
  const Case& test = GetParam();
  const std::string path = corpus_ + "/" + test.path;
  if (test.error != nullptr) {
    try {
      load(path);
      ADD_FAILURE() << "loaded; expected: " << test.error;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(test.error), std::string::npos) << error.message();
    }
    expect_nothing_stored();
    return;
  }
  load(path);
  EXPECT_EQ(all_names(images()), sorted(test.names));
  EXPECT_EQ(all_ids(images()), sorted(test.ids));

  std::vector<SaveItem> items;
  for (const ImageStore::Record& record : images().list()) {
    items.push_back({record.image, record.names});
  }
  for (const ArchiveFormat format :
       {ArchiveFormat::DockerArchive, ArchiveFormat::OciArchive, ArchiveFormat::OciDirectory}) {
    const std::string copy = fmt::format("copy{}", static_cast<int>(format));
    save_images(images(), items, {format, {}}, dir_.path(copy), context_);
    const auto fresh = ImageStore::open(dir_.path("fresh-" + copy));
    const auto archive = open_archive(dir_.path(copy), fresh->layers(), context_);
    load_images(*fresh, *archive, std::nullopt, context_);
    EXPECT_EQ(all_names(*fresh), sorted(test.names));
    EXPECT_EQ(all_ids(*fresh), sorted(test.ids));
    EXPECT_EQ(fresh->layers().layers().size(), images().layers().layers().size());
  }
}

INSTANTIATE_TEST_SUITE_P(Archives, CorpusTest, ::testing::ValuesIn(kCases), [](const auto& test) {
  std::string name;
  for (const char c : std::string(test.param.path))
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

/// The layout as its author has it: blobs are symlinks.
TEST_F(CorpusLayoutTest, LoadsALayoutOfSymlinks) {
  make_dirs(dir_.path("layout/blobs/sha256"), 0755);
  const std::string source = corpus_ + "/busybox-oci/glibc/";
  for (const char* name :
       {"oci-layout", "index.json", "image-manifest.json", "image-config.json", "rootfs.tar.gz"}) {
    write("layout/" + std::string(name), read_file_at(AT_FDCWD, source + name, 16 << 20));
  }
  const std::string blobs = "blobs/sha256/";
  const Fd dir = open_dir_at(AT_FDCWD, source + blobs);
  for (const DirEntry& blob : list_dir(dir.get())) {
    make_symlink_at(read_file_at(dir.get(), blob.name, 4096), dir_.fd(),
                    "layout/" + blobs + blob.name);
  }
  const auto results = load(dir_.path("layout"));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].names, std::vector{ImageName::parse("busybox:1.38.0-glibc")});
  EXPECT_EQ(results[0].image.hex().substr(0, 12), "c6348fa86ba0");
}

}  // namespace
}  // namespace layerkit::testing
