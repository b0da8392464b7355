#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aufs_union.h"
#include "layer_items.h"
#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/layer_tree.h"
#include "private_mounts.h"
#include "temp_dir.h"
#include "tree_dump.h"

namespace layerkit::testing {

/// Layers applied one on the other into diff directories, and what the union file system (the
/// kernel's overlay; for AUFS, what its source says) and our union view show of them. REQUIRES: a
/// private mount namespace (PrivateMountsTest).
class LayerStack {
 public:
  explicit LayerStack(OverlayXattrs space = OverlayXattrs::Trusted)
      : LayerStack(DiffFormat::overlay(space)) {}
  explicit LayerStack(DiffFormat format) : format_(format) {
    make_dir_at(temp_.fd(), "empty", 0755);
    make_dir_at(temp_.fd(), "mnt", 0755);
    context_.warn = [this](const std::string& text) { warnings_.push_back(text); };
  }

  /// Applies a layer; it becomes the top of the stack unless this throws.
  void apply(const LayerItems& items, BeforeRemoval before_removal = {}) {
    const std::string name = fmt::format("{}", count_++);
    make_dir_at(temp_.fd(), name, 0755);
    auto writer = make_diff_writer(open_dir_at(temp_.fd(), name), names_.empty() ? nullptr : view(),
                                   context_, format_, std::move(before_removal));
    VectorLayerReader reader(items);
    copy_layer(reader, *writer, context_);
    if (writer->hides_everything_below()) names_.clear();
    names_.push_back(name);
  }

  std::shared_ptr<const LayerTree> layer(const std::string& name) const {
    return make_diff_tree(open_dir_at(temp_.fd(), name), format_);
  }
  /// The top layer's diff directory.
  TreeDump diff() const { return dump_tree(*layer(names_.back())); }
  std::string diff_path() const { return temp_.path(names_.back()); }
  Fd diff_fd() const { return open_dir_at(temp_.fd(), names_.back()); }

  std::shared_ptr<const LayerTree> view() const {
    std::vector<std::shared_ptr<const LayerTree>> layers;
    for (const std::string& name : names_)
      layers.push_back(layer(name));
    return make_union_view(std::move(layers));
  }
  /// What the layers below the top show; null when there are none.
  std::shared_ptr<const LayerTree> lower_view() const {
    if (names_.size() < 2) return nullptr;
    std::vector<std::shared_ptr<const LayerTree>> layers;
    for (const std::string& name : names_)
      layers.push_back(layer(name));
    layers.pop_back();
    return make_union_view(std::move(layers));
  }

  /// What a read-only mount shows.
  TreeDump mounted() const {
    if (format_.is_aufs()) return AufsUnion::dump(branches());
    // The kernel wants two lower directories; nothing shows of an empty last one.
    std::string options = "lowerdir=";
    for (auto name = names_.rbegin(); name != names_.rend(); ++name) {
      options += temp_.path(*name) + ":";
    }
    options += temp_.path("empty");
    if (space() == OverlayXattrs::User) options += ",userxattr";
    const std::string target = temp_.path("mnt");
    if (::mount("overlay", target.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0) {
      fail_errno(errno, "mounting {}", options);
    }
    TreeDump dump;
    try {
      dump = DirectoryDumper::dump(target);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    ::umount2(target.c_str(), MNT_DETACH);
    return dump;
  }

  /// The mount, after checking that the union view agrees with it.
  TreeDump shown() const {
    TreeDump by_kernel = mounted();
    expect_same_tree(dump_tree(*view()), without_links(by_kernel), "union view against the kernel");
    return by_kernel;
  }

  /// Names of the diff directories in `temp()`, nearest first.
  std::vector<std::string> directories() const { return {names_.rbegin(), names_.rend()}; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  const Context& context() const { return context_; }
  const TempDir& temp() const { return temp_; }
  OverlayXattrs space() const { return format_.overlay_xattrs(); }
  DiffFormat format() const { return format_; }

 private:
  /// Paths of the diff directories, top first.
  std::vector<std::string> branches() const {
    std::vector<std::string> paths;
    for (auto name = names_.rbegin(); name != names_.rend(); ++name)
      paths.push_back(temp_.path(*name));
    return paths;
  }

  DiffFormat format_;
  TempDir temp_;
  Context context_;
  std::vector<std::string> warnings_;
  std::vector<std::string> names_;  ///< diff directories, base first
  int count_ = 0;
};

/// The paths of a dump, without the root, for tests about what is there.
inline std::vector<std::string> paths_of(const TreeDump& dump) {
  std::vector<std::string> paths;
  for (const auto& [path, line] : dump) {
    if (!path.empty()) paths.push_back(path);
  }
  return paths;
}

}  // namespace layerkit::testing
