#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layer_items.h"
#include "tree_dump.h"

namespace layerkit::testing {

/// What applying layers in turn to one directory means, written down as plainly as possible and
/// independently of how diff directories work: the oracle of the property test.
///
/// One tree from the layers below, one of the layer being applied, and the set of lower paths that
/// the layer hides. A lower object is seen when nothing at or above it is hidden.
class LayerModel {
 public:
  LayerModel() { base_[""] = std::make_shared<Node>(default_directory()); }

  void begin_layer() {
    own_.clear();
    hidden_.clear();
    emptied_.clear();
  }

  /// False, and nothing changed, for an entry that must be refused.
  bool apply(const LayerItem& item) {
    const Entry& entry = item.entry;
    if (entry.hides == Hides::Path) return apply_whiteout(entry.path);
    if (entry.hides == Hides::Below) return apply_opaque(entry.path);
    if (entry.hard_link_target) return apply_link(entry);
    if (entry.path.is_root()) {
      own_[""] = {Origin::Entry, std::make_shared<Node>(Node{entry, ""})};
      return true;
    }
    const auto parent = resolve(entry.path.parent(), Missing::Add);
    if (!parent) return false;
    claim(*parent);
    put(join(*parent, entry.path.name()), std::make_shared<Node>(Node{entry, item.contents}));
    return true;
  }

  void end_layer() {
    std::map<std::string, std::shared_ptr<Node>> merged;
    for (const auto& [path, node] : base_) {
      if (base_seen(path)) merged[path] = node;
    }
    for (const auto& [path, own] : own_) {
      if (own.origin != Origin::Implied) merged[path] = own.node;
      if (own.origin == Origin::Implied && !merged.contains(path)) {
        merged[path] = std::make_shared<Node>(default_directory());
      }
    }
    base_ = std::move(merged);
    begin_layer();
  }

  /// Paths at which the layer that is being applied has or hides something; more than those it is
  /// left with where entries replace each other.
  std::set<std::string> touched() const {
    std::set<std::string> paths = hidden_;
    paths.insert(emptied_.begin(), emptied_.end());
    for (const auto& [path, own] : own_)
      paths.insert(path);
    return paths;
  }

  TreeDump dump() const {
    TreeDump dump;
    std::map<const Node*, std::string> first_names;
    for (const auto& [path, node] : base_) {
      dump[path] = describe(node->entry, node->contents);
      if (node->entry.is_directory()) continue;
      const auto [first, added] = first_names.try_emplace(node.get(), path);
      if (!added) dump[path] += " same file as " + first->second;
    }
    return dump;
  }

 private:
  struct Node {
    Entry entry;
    std::string contents;
  };
  enum class Origin { Entry, Implied, CopiedUp };
  struct Own {
    Origin origin = Origin::Entry;
    std::shared_ptr<Node> node;
  };
  enum class Missing { Stop, Add };

  static Node default_directory() {
    Node node;
    node.entry.type = FileType::Directory;
    node.entry.mode = 0755;
    return node;
  }
  static std::string join(const std::string& parent, std::string_view name) {
    return parent.empty() ? std::string(name) : parent + "/" + std::string(name);
  }
  static std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  static bool is_below(const std::string& path, const std::string& above) {
    return path != above && (above.empty() || path.starts_with(above + "/"));
  }

  bool base_seen(const std::string& path) const {
    for (const std::string& hidden : hidden_) {
      if (path == hidden || is_below(path, hidden)) return false;
    }
    for (const std::string& emptied : emptied_) {
      if (is_below(path, emptied)) return false;
    }
    return base_.contains(path);
  }
  const Node* base_at(const std::string& path) const {
    return base_seen(path) ? base_.at(path).get() : nullptr;
  }
  /// What is at `path` now.
  const Node* view(const std::string& path) const {
    const auto own = own_.find(path);
    return own != own_.end() ? own->second.node.get() : base_at(path);
  }
  bool is_directory(const std::string& path) const {
    const Node* node = view(path);
    return node != nullptr && node->entry.is_directory();
  }

  /// Where `path` leads with symlinks followed inside the root. nullopt: nowhere (Stop), or into a
  /// file of this layer or a loop (Add).
  std::optional<std::string> resolve(const RelPath& path, Missing missing) const {
    std::vector<std::string> left;
    push(left, path.str());
    std::string at;
    int links = 0;
    while (!left.empty()) {
      const std::string name = std::move(left.back());
      left.pop_back();
      if (name == "..") {
        at = parent_of(at);
        continue;
      }
      const std::string next = join(at, name);
      const Node* node = view(next);
      if (node != nullptr && node->entry.type == FileType::Symlink) {
        if (++links > 40) return std::nullopt;
        push(left, node->entry.symlink_target);
        if (node->entry.symlink_target.starts_with('/')) at = "";
        continue;
      }
      const bool passable = node != nullptr && node->entry.is_directory();
      if (!passable && missing == Missing::Stop) return std::nullopt;
      const auto own = own_.find(next);
      if (!passable && own != own_.end() && own->second.origin == Origin::Entry) {
        return std::nullopt;
      }
      at = next;
    }
    return at;
  }
  static void push(std::vector<std::string>& left, std::string_view path) {
    const auto names = split(path, '/');
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      if (!name->empty() && *name != ".") left.emplace_back(*name);
    }
  }

  /// Makes `path` and its parents directories of this layer.
  void claim(const std::string& path) {
    if (!path.empty()) claim(parent_of(path));
    const auto own = own_.find(path);
    if (own != own_.end() && own->second.node->entry.is_directory()) return;
    if (!is_directory(path)) hidden_.insert(path);
    own_[path] = {Origin::Implied, std::make_shared<Node>(default_directory())};
  }

  void erase_own(const std::string& path) {
    std::erase_if(own_,
                  [&](const auto& own) { return own.first == path || is_below(own.first, path); });
  }

  void put(const std::string& path, std::shared_ptr<Node> node) {
    const bool merges = node->entry.is_directory() && is_directory(path);
    if (!merges) {
      erase_own(path);
      hidden_.insert(path);
    }
    own_[path] = {Origin::Entry, std::move(node)};
  }

  bool apply_whiteout(const RelPath& path) {
    if (path.is_root()) return false;
    const auto parent = resolve(path.parent(), Missing::Stop);
    if (!parent) return true;
    const std::string target = join(*parent, path.name());
    hidden_.insert(target);
    erase_copied_up(target);
    return true;
  }

  bool apply_opaque(const RelPath& path) {
    const auto target = resolve(path, Missing::Add);
    if (!target) return false;
    claim(*target);
    emptied_.insert(*target);
    erase_copied_up(*target);
    return true;
  }

  /// Copied-up files are lower content: what hides the lower layers hides them.
  void erase_copied_up(const std::string& path) {
    std::erase_if(own_, [&](const auto& own) {
      return own.second.origin == Origin::CopiedUp &&
             (own.first == path || is_below(own.first, path));
    });
  }

  bool apply_link(const Entry& entry) {
    if (entry.path.is_root() || entry.hard_link_target->is_root()) return false;
    const auto parent = resolve(entry.path.parent(), Missing::Add);
    const auto target_parent = resolve(entry.hard_link_target->parent(), Missing::Stop);
    if (!parent || !target_parent) return false;
    const std::string path = join(*parent, entry.path.name());
    const std::string target = join(*target_parent, entry.hard_link_target->name());
    const Node* node = view(target);
    if (node == nullptr || node->entry.is_directory()) return false;
    // Making the parent replaces what is no directory there, the target perhaps.
    if (path == target || is_below(target, path) || is_below(path, target)) return false;
    claim(*parent);
    if (!own_.contains(target)) {
      own_[target] = {Origin::CopiedUp, std::make_shared<Node>(*node)};
    }
    const std::shared_ptr<Node> shared = own_.at(target).node;
    put(path, shared);
    if (shared->entry.type == FileType::Symlink) return true;
    shared->entry.mode = entry.mode;
    shared->entry.uid = entry.uid;
    shared->entry.gid = entry.gid;
    shared->entry.mtime = entry.mtime;
    for (const auto& [key, value] : entry.xattrs) {
      // The kernel keeps user.* on files and directories only (xattr(7)).
      const bool lost = key.starts_with("user.") && shared->entry.type != FileType::Regular;
      if (!lost) shared->entry.xattrs[key] = value;
    }
    return true;
  }

  std::map<std::string, std::shared_ptr<Node>> base_;
  std::map<std::string, Own> own_;
  std::set<std::string> hidden_;
  std::set<std::string> emptied_;
};

}  // namespace layerkit::testing
