#pragma once

#include <functional>
#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/layerstore/layer_stream.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// Reads a tree (of one layer, or a union) as a layer on `lower` (null: a base layer): sorted
/// bytewise, parents before children, in each directory the opaque marker and the whiteouts first;
/// names of one file become hard links to the first of them. Whiteouts and markers that hide
/// nothing of `lower` are left out, and so is the root when it is as in `lower`; sockets are
/// skipped with a warning. Memory: the names of the directories on the way to the current object,
/// and one path for each file whose other names are yet to come.
std::unique_ptr<LayerReader> make_tree_reader(std::shared_ptr<const LayerTree> layer,
                                              std::shared_ptr<const LayerTree> lower,
                                              const Context& context);

/// Says of a path that stands in both of two trees that nothing differs at it and below. REQUIRES:
/// a file there that has further names is as before under all of them.
using KnownSame = std::function<bool(const RelPath& path)>;

/// Reads, in the same order, what has to be laid over the union `before` so that it shows the union
/// `after`: what is new or differs in anything (type, attributes, contents, what it is linked to),
/// the directories on the way to it, and whiteouts. Contents are compared where nothing else
/// differs, unless both are the same file of the same layer. Where `known_same` holds, which may be
/// empty, nothing is looked at.
std::unique_ptr<LayerReader> make_difference_reader(std::shared_ptr<const LayerTree> before,
                                                    std::shared_ptr<const LayerTree> after,
                                                    const Context& context,
                                                    KnownSame known_same = {});

}  // namespace layerkit
