#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/store.h"
#include "temp_dir.h"

namespace layerkit::testing {

/// Builds a tar byte by byte, so that a test decides about every one of them.
class TarText {
 public:
  TarText& file(const std::string& name, const std::string& contents, std::uint32_t mode = 0644) {
    header(name, '0', contents.size(), mode, "");
    return body(contents);
  }
  TarText& directory(const std::string& name, std::uint32_t mode = 0755) {
    header(name, '5', 0, mode, "");
    return *this;
  }
  TarText& symlink(const std::string& name, const std::string& target) {
    header(name, '2', 0, 0777, target);
    return *this;
  }
  TarText& hard_link(const std::string& name, const std::string& target) {
    header(name, '1', 0, 0644, target);
    return *this;
  }
  /// A file of GNU's sparse format 1.0: `map` in the body, then the data pieces.
  TarText& sparse_file(const std::string& name,
                       std::uint64_t real_size,
                       const std::vector<std::pair<std::uint64_t, std::string>>& pieces) {
    std::string map = std::to_string(pieces.size()) + "\n";
    std::string data;
    for (const auto& [offset, text] : pieces) {
      map += std::to_string(offset) + "\n" + std::to_string(text.size()) + "\n";
      data += text;
    }
    map.resize((map.size() + 511) / 512 * 512);
    std::string pax = pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                      pax_record("GNU.sparse.name", name) +
                      pax_record("GNU.sparse.realsize", std::to_string(real_size));
    header("PaxHeaders/" + name, 'x', pax.size(), 0644, "");
    body(pax);
    header("GNUSparseFile.0/" + name, '0', map.size() + data.size(), 0644, "");
    return body(map + data);
  }
  /// The tar with `padding` zero bytes behind it; 1024 are the usual end marker.
  std::string end(std::size_t padding = 1024) const { return bytes_ + std::string(padding, '\0'); }

 private:
  static std::string pax_record(const std::string& key, const std::string& value) {
    const std::string rest = " " + key + "=" + value + "\n";
    std::size_t size = rest.size() + 1;
    while (std::to_string(size).size() + rest.size() != size)
      ++size;
    return std::to_string(size) + rest;
  }

  TarText& body(const std::string& contents) {
    bytes_ += contents;
    bytes_.resize((bytes_.size() + 511) / 512 * 512);
    return *this;
  }

  void header(const std::string& name,
              char type,
              std::uint64_t size,
              std::uint32_t mode,
              const std::string& target) {
    std::string block(512, '\0');
    put(block, 0, name);
    put(block, 100, fmt::format("{:07o}", mode));
    put(block, 108, "0000000");
    put(block, 116, "0000000");
    put(block, 124, fmt::format("{:011o}", size));
    put(block, 136, fmt::format("{:011o}", 1600000000));
    put(block, 148, "        ");
    block[156] = type;
    put(block, 157, target);
    put(block, 257,
        std::string("ustar\0"
                    "00",
                    8));
    unsigned sum = 0;
    for (const char c : block)
      sum += static_cast<unsigned char>(c);
    put(block, 148, fmt::format("{:06o}", sum));
    block[154] = '\0';
    bytes_ += block;
  }

  static void put(std::string& block, std::size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
  }

  std::string bytes_;
};

inline DiffId diff_id_of(const std::string& tar) {
  return DiffId(Sha256::of(tar));
}

/// A store in a directory of its own.
class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
    store_ = open_store(root_, options());
  }

  /// What stores are made with.
  virtual StoreDriver driver() const { return StoreDriver::Overlay2; }
  StoreOptions options() const {
    StoreOptions options;
    options.driver = driver();
    return options;
  }

  /// Adds one layer in a transaction of its own.
  LayerInfo import(const std::string& tar, const std::optional<ChainId>& parent = std::nullopt) {
    const auto transaction = store_->begin();
    MemorySource source(tar);
    LayerInfo info = transaction->add(parent, source, diff_id_of(tar), Context{});
    transaction->commit();
    return info;
  }

  std::string exported(const ChainId& chain) const {
    std::string tar;
    MemorySink sink(tar);
    store_->export_layer(chain, sink, Context{});
    return tar;
  }

  std::string path(const std::string& below) const { return root_ + "/" + below; }
  std::string layer_path(const ChainId& chain, const std::string& below) const {
    return directory_path(chain.hex(), below);
  }
  /// `below` in the directory of a layer or container, in the words of overlay2.
  std::string directory_path(const std::string& name, const std::string& below) const {
    if (driver() == StoreDriver::Overlay2) return path("overlay2/" + name + "/" + below);
    if (!below.starts_with("diff")) return path("aufs/records/" + name + "/" + below);
    return path("aufs/diff/" + name + below.substr(4));
  }
  /// Where directories with records are.
  std::string records_directory() const {
    return driver() == StoreDriver::Overlay2 ? "overlay2" : "aufs/records";
  }
  std::string read(const std::string& file_path) const {
    return read_file_at(AT_FDCWD, file_path, 1 << 20);
  }
  std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    for (const DirEntry& entry : list_dir(open_dir_at(AT_FDCWD, path(directory)).get())) {
      names.push_back(entry.name);
    }
    return names;
  }
  std::uint32_t mode_of(const std::string& below) const {
    const auto stat = stat_at(AT_FDCWD, path(below));
    return stat ? stat->mode : 0;
  }
  void write(const std::string& file_path, const std::string& text) const {
    write_file_at(AT_FDCWD, file_path, text, 0644);
  }

  TempDir temp_;
  std::string root_ = temp_.path("store");
  std::unique_ptr<Store> store_;
};

/// The same with every storage driver.
class EachDriverTest : public StoreTest, public ::testing::WithParamInterface<StoreDriver> {
 protected:
  StoreDriver driver() const override { return GetParam(); }
};

inline std::string driver_test_name(const ::testing::TestParamInfo<StoreDriver>& info) {
  return info.param == StoreDriver::Overlay2 ? "Overlay2" : "Aufs";
}

#define LAYERKIT_EACH_DRIVER(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(EachDriver, suite,                                           \
                           ::testing::Values(StoreDriver::Overlay2, StoreDriver::Aufs), \
                           driver_test_name)

}  // namespace layerkit::testing
