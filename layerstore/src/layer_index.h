#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

// The path index of a layer: the file `index` beside its `diff`, which says what `diff` holds so
// that nobody has to walk it. Format: docs/formats/store.md, "index". It is derived data: it can
// be left out, removed and made again at any time.

class IndexPageCache;

/// Writes the file `index` for the directory `diff` in `layer_dir_fd`, in the place of an older
/// one. Memory is bounded, whatever `diff` holds. Not durable: the caller syncs. Throws
/// Error{Unsupported} for redirect and metacopy entries.
void write_layer_index(int layer_dir_fd, DiffFormat format = DiffFormat::overlay());
/// The same for a `diff` that lies elsewhere.
void write_layer_index(int layer_dir_fd, Fd diff, DiffFormat format);

/// One path at which an index and its `diff` say different things.
struct IndexDifference {
  enum class Kind {
    NotInIndex,  ///< `diff` has it
    NotInDiff,   ///< the index has it
    Changed,     ///< both have it, with different type, attributes, size or target
  };
  Kind kind = Kind::Changed;
  RelPath path;
};

/// Compares `index` with `diff`, both in `layer_dir_fd`, without looking into files; at most
/// `max_differences` are found. Below an object that only one of them has nothing more is said.
/// `name` is what errors call the layer. Throws Error{NotFound} when there is no index and
/// Error{Integrity} when it is damaged. Bounded memory.
std::vector<IndexDifference> verify_layer_index(int layer_dir_fd,
                                                const std::string& name,
                                                std::size_t max_differences = 1000,
                                                DiffFormat format = DiffFormat::overlay());
/// The same for a `diff` that lies elsewhere.
std::vector<IndexDifference> verify_layer_index(int layer_dir_fd,
                                                Fd diff,
                                                const std::string& name,
                                                std::size_t max_differences,
                                                DiffFormat format);

/// Pages of any number of indexes, at most `max_pages` of 4 KiB. Thread-safe.
std::shared_ptr<IndexPageCache> make_index_page_cache(std::size_t max_pages);

/// The layer as its index tells it. `index` is the open file; `open_diff` gives the diff directory
/// when the contents of a file are asked for. Throws Error{Integrity} that names the layer when
/// the header of the index is damaged; so do the methods for the rest of it.
std::shared_ptr<const LayerTree> make_layer_index_tree(Fd index,
                                                       std::string name,
                                                       std::shared_ptr<IndexPageCache> cache,
                                                       std::function<Fd()> open_diff);

}  // namespace layerkit
