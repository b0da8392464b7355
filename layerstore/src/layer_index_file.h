#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "layer_index_format.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/rel_path.h"

namespace layerkit {

class IndexPageCache;

/// A record and the page that holds it.
struct IndexedObject {
  std::shared_ptr<const layer_index::Page> page;
  layer_index::Record record;
};

/// Reads an index by pages, each checked when it comes from the file; nothing in it is believed
/// that could lead out of it. Every failure is Error{Integrity} that names the layer. Thread-safe.
class LayerIndexFile {
 public:
  LayerIndexFile(Fd file, std::string name, std::shared_ptr<IndexPageCache> cache);

  const layer_index::Header& header() const noexcept { return header_; }
  IndexedObject root() const;
  /// Where the children of a directory are.
  layer_index::Span children(std::uint32_t directory) const;
  /// By binary search, first over pages, then within one.
  std::optional<IndexedObject> find(const layer_index::Span& span, std::string_view name) const;
  /// The record at `place`, which then moves on; nullopt at the end of the span.
  std::optional<IndexedObject> next(const layer_index::Span& span, layer_index::Place& place) const;
  /// The object as an entry, with target and xattrs.
  Entry entry(const IndexedObject& object, RelPath path) const;
  /// The number of a directory's child directory. Throws for one that would lead back up.
  std::uint32_t directory_number(const layer_index::Record& record, std::uint32_t parent) const;

 private:
  /// Runs `work`; what it throws gets the name of the layer.
  template <typename Work>
  decltype(auto) reading(Work&& work) const;
  std::shared_ptr<const layer_index::Page> page(std::uint64_t number) const;
  std::shared_ptr<const layer_index::Page> read_page(std::uint64_t number) const;
  std::shared_ptr<const layer_index::Page> table_page(std::uint32_t number) const;
  std::string extra(const layer_index::Extra& extra) const;
  std::pair<std::size_t, std::size_t> slots_of(const layer_index::Span& span,
                                               std::uint32_t number,
                                               const layer_index::Page& page) const;

  Fd file_;
  std::string name_;
  std::shared_ptr<IndexPageCache> cache_;
  std::uint64_t id_;  ///< in the cache
  layer_index::Header header_;
};

}  // namespace layerkit
