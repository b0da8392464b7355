#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

enum class LastLink { Follow, Keep };

/// What a process whose root is `tree` would find at `path`, which is taken from the root: symlinks
/// are followed inside it, ".." of the root is the root. nullopt when there is nothing, or more
/// than 40 symlinks on the way. `last`: what happens to a symlink at the end.
std::optional<Entry> resolve_path(const LayerTree& tree, std::string_view path, LastLink last);
/// The same; absence is Error{NotFound} "'etc/x': no such file or directory".
Entry find_path(const LayerTree& tree, std::string_view path, LastLink last);

/// "drwxr-xr-x", as ls writes it.
std::string mode_text(const Entry& entry);
/// "regular file", "directory", "symbolic link", …
std::string_view type_text(FileType type) noexcept;

}  // namespace layerkit
