#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive_builder.h"
#include "expect_error.h"
#include "layerkit/base/context.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/archive.h"
#include "temp_dir.h"

namespace layerkit::testing {

inline std::string read_layer(ArchiveReader& archive, const std::string& handle) {
  const ArchivedLayer layer = archive.open_layer(handle);
  return read_all(*layer.bytes, 1 << 20, "layer");
}

inline std::vector<std::string> names_of(const ArchivedImage& image) {
  std::vector<std::string> names;
  for (const ImageName& name : image.names)
    names.push_back(name.str());
  return names;
}

/// A store to spool to, and archives made in the test.
class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() {
    context_.warn = [this](const std::string& text) { warnings_ += text + "\n"; };
  }

  Store& store() {
    if (!store_) store_ = open_store(dir_.path("store"));
    return *store_;
  }
  std::string write(const std::string& name, std::string_view bytes) {
    write_file_at(dir_.fd(), name, bytes, 0644);
    return dir_.path(name);
  }
  std::unique_ptr<ArchiveReader> open(std::string_view bytes) {
    return open_archive(write("archive", bytes), store(), context_);
  }
  std::unique_ptr<ArchiveReader> open(const TarBuilder& tar) { return open(tar.finish()); }

  void expect_refused(Errc code, const std::string& text, const TarBuilder& tar) {
    expect_error(code, text, [&] { open(tar)->images(std::nullopt); });
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
  Context context_;
  std::string warnings_;
};

}  // namespace layerkit::testing
