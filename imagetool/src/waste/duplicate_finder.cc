#include "waste/duplicate_finder.h"

#include <string>
#include <utility>

#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/layerstore/name_sorter.h"
#include "layerkit/layerstore/tree_reader.h"
#include "sort_record.h"
#include "waste/top_list.h"

namespace layerkit {
namespace {

/// Finds out which files have to be read: those that are as large as others.
class Finder {
 public:
  Finder(const LayerTree& tree, int directory, const Context& context)
      : tree_(tree), context_(context), by_size_(directory), by_contents_(directory) {}

  void add(const RelPath& path, std::uint64_t size) {
    by_size_.add(SortRecord().u64(size).path(path).str());
  }
  FoundDuplicates run(std::size_t top);

 private:
  void hash_candidates();
  void hash(const RelPath& path, std::uint64_t size);

  const LayerTree& tree_;
  const Context& context_;
  NameSorter by_size_;
  NameSorter by_contents_;
};

void Finder::hash(const RelPath& path, std::uint64_t size) {
  const auto contents = tree_.open(path);
  InterruptibleSource bytes(*contents, context_);
  HashingSource hashing(bytes);
  drain(hashing);
  by_contents_.add(SortRecord().u64(size).bytes(hashing.finish().hex()).path(path).str());
}

void Finder::hash_candidates() {
  std::uint64_t size = 0;
  std::optional<RelPath> waiting;  // the first file of this size, as long as it is the only one
  while (const auto record = by_size_.next()) {
    RecordFields fields(*record);
    const std::uint64_t next_size = fields.u64();
    RelPath path = fields.path();
    if (next_size != size) {
      size = next_size;
      waiting = std::move(path);
      continue;
    }
    if (waiting) hash(*std::exchange(waiting, std::nullopt), size);
    hash(path, size);
  }
}

FoundDuplicates Finder::run(std::size_t top) {
  hash_candidates();
  FoundDuplicates result;
  TopList<DuplicateFiles> groups(top);
  DuplicateFiles at;
  std::string digest;
  const auto flush = [&] {
    if (at.count < 2) return;
    result.bytes += at.wasted_bytes();
    groups.add(at.wasted_bytes(), std::move(at));
  };
  while (const auto record = by_contents_.next()) {
    RecordFields fields(*record);
    const std::uint64_t size = fields.u64();
    const std::string_view hex = fields.bytes(2 * Sha256Digest::kBytes);
    if (size != at.size || hex != digest) {
      flush();
      at = {size, 0, {}};
      digest = hex;
    }
    if (++at.count <= kMaxDuplicatePaths) at.paths.push_back(fields.path());
  }
  flush();
  result.groups = std::move(groups).take();
  return result;
}

}  // namespace

FoundDuplicates find_duplicates(const std::shared_ptr<const LayerTree>& tree,
                                int directory,
                                std::size_t top,
                                const Context& context) {
  Finder finder(*tree, directory, context);
  const auto files = make_tree_reader(tree, nullptr, context);
  while (const auto entry = files->next()) {
    const bool is_file = entry->type == FileType::Regular && !entry->hard_link_target;
    if (is_file && entry->size > 0) finder.add(entry->path, entry->size);
  }
  return finder.run(top);
}

}  // namespace layerkit
