#pragma once

#include <memory>
#include <string>
#include <vector>

#include "archive_fixture.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit::testing {

/// An image store in a directory of its own. Needs root: layers are unpacked.
class ImageStoreTest : public ArchiveTest {
 protected:
  ImageStore& images() {
    if (!images_) images_ = ImageStore::open(dir_.path("images"));
    return *images_;
  }

  std::vector<LoadResult> load(const std::string& path) {
    const auto archive = open_archive(path, images().layers(), context_);
    return load_images(images(), *archive, std::nullopt, context_);
  }
  std::vector<LoadResult> load(const TarBuilder& tar) {
    return load(write("archive", tar.finish()));
  }

  /// Every file and directory in the store's staging area.
  std::vector<std::string> staged() {
    std::vector<std::string> names;
    const auto staging = open_at_if_exists(AT_FDCWD, dir_.path("images/staging"), O_RDONLY);
    if (!staging) return names;
    for (const DirEntry& entry : list_dir(staging->get()))
      names.push_back(entry.name);
    return names;
  }

  void expect_nothing_stored() {
    EXPECT_TRUE(images().list().empty());
    EXPECT_TRUE(images().layers().layers().empty());
    EXPECT_EQ(staged(), std::vector<std::string>{});
  }

  std::unique_ptr<ImageStore> images_;
};

/// docker's manifest.json entry.
inline std::string manifest_item(std::string_view config,
                                 std::string_view tag,
                                 const std::vector<std::string>& layers) {
  std::string quoted_layers;
  for (const std::string& layer : layers) {
    quoted_layers += fmt::format("{}\"{}\"", quoted_layers.empty() ? "" : ",", layer);
  }
  return fmt::format(R"({{"Config":"{}","RepoTags":{},"Layers":[{}]}})", config,
                     tag.empty() ? "null" : fmt::format(R"(["{}"])", tag), quoted_layers);
}

}  // namespace layerkit::testing
