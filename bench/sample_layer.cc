#include "sample_layer.h"

#include <fmt/core.h>

#include <random>

#include "layerkit/layerstore/tar.h"

namespace layerkit::bench {
namespace {

Entry directory(const std::string& path) {
  Entry entry;
  entry.path = RelPath::parse(path);
  entry.type = FileType::Directory;
  entry.mode = 0755;
  return entry;
}

Entry file(const std::string& path, std::size_t size) {
  Entry entry;
  entry.path = RelPath::parse(path);
  entry.mode = 0644;
  entry.size = size;
  entry.mtime = {1'700'000'000, 0};
  return entry;
}

/// Words from a small dictionary: compresses about as well as program text.
std::string text(std::size_t size, std::minstd_rand& random) {
  std::string result;
  while (result.size() < size) {
    result += fmt::format("word{} ", random() % 5000);
  }
  result.resize(size);
  return result;
}

}  // namespace

std::string make_sample_layer(std::size_t files, std::size_t file_bytes) {
  std::minstd_rand random(1);
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  MemorySource nothing("");
  for (std::size_t i = 0; i < files; ++i) {
    const std::string parent = fmt::format("usr/share/data/{:04}", i / 100);
    if (i % 100 == 0) writer->add(directory(parent), nothing);
    const std::string contents = text(file_bytes, random);
    MemorySource source(contents);
    writer->add(file(fmt::format("{}/file-{:06}.txt", parent, i), file_bytes), source);
  }
  writer->finish();
  return tar;
}

}  // namespace layerkit::bench
