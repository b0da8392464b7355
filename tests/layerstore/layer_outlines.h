#pragma once

#include <fcntl.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layer_items.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"
#include "tree_dump.h"

namespace layerkit::testing {

using Tree = std::shared_ptr<const LayerTree>;

inline std::string tar_of(const LayerItems& items) {
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  for (const LayerItem& item : items) {
    MemorySource contents(item.contents);
    writer->add(item.entry, contents);
  }
  writer->finish();
  return tar;
}

inline std::string tar_of(LayerReader& reader) {
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  copy_layer(reader, *writer, Context());
  return tar;
}

/// The bytes live as long as the tree.
inline Tree outline(std::string text, Tree lower) {
  const auto tar = std::make_shared<const std::string>(std::move(text));
  MemorySource source(*tar);
  return outline_layer(
      source, std::move(lower),
      [tar](std::uint64_t offset, std::uint64_t length) {
        return std::make_unique<MemorySource>(std::string_view(*tar).substr(offset, length));
      },
      std::make_shared<const Fd>(open_dir_at(AT_FDCWD, "/tmp")), Context());
}

/// A dump that says which names are one file, as DirectoryDumper does.
inline TreeDump dump_with_links(const LayerTree& tree) {
  TreeDump dump = dump_tree(tree);
  std::map<std::pair<const LayerTree*, std::uint64_t>, std::string> first_names;
  std::vector<RelPath> left{RelPath()};
  while (!left.empty()) {
    const RelPath directory = left.back();
    left.pop_back();
    const std::vector<std::string> names = tree.list(directory);
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      const auto entry = tree.lookup(directory / *name);
      if (entry->is_directory()) left.push_back(entry->path);
    }
  }
  for (auto& [path, line] : dump) {
    const RelPath at = RelPath::parse(path);
    const auto entry = tree.lookup(at);
    if (entry->is_directory() || entry->is_whiteout()) continue;
    const auto file = tree.identity(at);
    if (!file) continue;
    const auto [first, added] = first_names.try_emplace({file->layer, file->number}, path);
    if (!added) line += " same file as " + first->second;
  }
  return dump;
}

/// Names of one file in another order of paths are the same file.
inline TreeDump normalized(const TreeDump& dump) {
  std::map<std::string, std::string> first_of;  // the first name as the dump has it -> in order
  TreeDump result;
  for (const auto& [path, line] : dump) {
    const std::size_t at = line.find(" same file as ");
    const std::string first = at == std::string::npos ? path : line.substr(at + 14);
    const auto [found, added] = first_of.try_emplace(first, path);
    result[path] = line.substr(0, at);
    if (!added) result[path] += " same file as " + found->second;
  }
  return result;
}

inline void expect_tree(const LayerTree& tree, const TreeDump& wanted, const std::string& what) {
  expect_same_tree(normalized(dump_with_links(tree)), normalized(wanted), what);
}

}  // namespace layerkit::testing
