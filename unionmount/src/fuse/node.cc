#include "node.h"

#include <algorithm>
#include <utility>

#include "file_handle.h"

namespace layerkit {

NodeTable::NodeTable(std::vector<LiveBranch*> root_parts, std::function<void(Node&)> on_free)
    : on_free_(std::move(on_free)), root_(std::make_unique<Node>()) {
  root_->type = S_IFDIR;
  root_->parts = std::move(root_parts);
  root_->names.push_back({});
  root_->lookups = 1;
}

NodeTable::~NodeTable() {
  // What the kernel had open when the connection went.
  for (FileHandle* handle : open_handles_)
    delete handle;
  while (newest_ != nullptr)
    free(*newest_);
}

void NodeTable::free(Node& node) noexcept {
  if (node.newer != nullptr) node.newer->older = node.older;
  if (node.older != nullptr) node.older->newer = node.newer;
  if (newest_ == &node) newest_ = node.older;
  delete &node;
  --count_;
  ++freed_;
}

bool NodeTable::many_are_gone() noexcept {
  constexpr std::size_t kMany = 1 << 16;
  const std::lock_guard lock(mutex_);
  if (freed_ < std::max(kMany, count_)) return false;
  freed_ = 0;
  return true;
}

Node* NodeTable::known(const Seen& seen) {
  if (seen.type == S_IFDIR) {
    const auto found = by_name_.find({seen.name.parent, seen.name.name});
    return found != by_name_.end() && found->second->is_directory() ? found->second : nullptr;
  }
  const auto [begin, end] = by_file_.equal_range({seen.parts.front(), seen.ino});
  for (auto it = begin; it != end; ++it)
    if (it->second->type == seen.type) return it->second;
  return nullptr;
}

Node& NodeTable::make(const Seen& seen) {
  auto node = std::make_unique<Node>();
  node->type = seen.type;
  node->number = seen.number;
  node->generation = next_generation_++;
  node->parts = seen.parts;
  node->ino = seen.ino;
  node->missing_links = seen.missing_links;
  if (!node->is_directory()) add_file(*node, {seen.parts.front(), seen.ino});
  node->older = newest_;
  if (newest_ != nullptr) newest_->newer = node.get();
  newest_ = node.get();
  ++count_;
  return *node.release();
}

Node& NodeTable::enter(const Seen& seen) {
  const std::lock_guard lock(mutex_);
  Node* node = known(seen);
  if (node == nullptr) node = &make(seen);
  if (!seen.link.empty() && !node->has_pseudo_link) {
    node->has_pseudo_link = true;
    link(*node, {nullptr, seen.link, seen.parts.front()});
  }
  const auto found = by_name_.find({seen.name.parent, seen.name.name});
  if (found == by_name_.end() || found->second != node) {
    take_from_other(seen.name.parent, seen.name.name, node);
    link(*node, seen.name);
  }
  ++node->lookups;
  return *node;
}

Node& NodeTable::enter_nameless(const Seen& seen) {
  const std::lock_guard lock(mutex_);
  Node& node = make(seen);
  node.lookups = 1;
  return node;
}

void NodeTable::add_lookup(Node& node) {
  const std::lock_guard lock(mutex_);
  ++node.lookups;
}

Node* NodeTable::find(const Node& parent, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find({&parent, name});
  return found == by_name_.end() ? nullptr : found->second;
}

bool NodeTable::is_elsewhere(const Node& parent, std::string_view name, const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find({&parent, name});
  if (found == by_name_.end()) return false;
  const Node& node = *found->second;
  return node.is_directory() || &node.top() != &branch;
}

void NodeTable::link(Node& node, NodeName name) {
  node.names.push_back(std::move(name));
  const NodeName& own = node.names.back();
  if (own.parent == nullptr) return;
  by_name_[{own.parent, own.name}] = &node;
  ++own.parent->pins;
}

void NodeTable::unlink(Node& node, Names::iterator name) {
  Node* parent = name->parent;
  if (parent != nullptr) by_name_.erase({parent, name->name});
  node.names.erase(name);
  if (parent != nullptr) unpin_locked(*parent);
}

void NodeTable::unlink_if_there(Node& node, const Node* parent, std::string_view name) {
  const auto found =
      std::find_if(node.names.begin(), node.names.end(), [&](const NodeName& candidate) {
        return candidate.parent == parent && candidate.name == name;
      });
  if (found != node.names.end()) unlink(node, found);
}

void NodeTable::take_from_other(const Node* parent, std::string_view name, const Node* keep) {
  const auto found = by_name_.find({parent, name});
  if (found == by_name_.end() || found->second == keep) return;
  unlink_if_there(*found->second, parent, name);
}

void NodeTable::collect(Node& first) {
  // Each of these is pinned once by a node that is gone: one may keep another, or be there twice.
  std::vector<Node*> pinned;
  for (Node* node = &first;;) {
    if (node != root_.get() && node->lookups == 0 && node->pins == 0) {
      on_free_(*node);
      forget_files(*node);
      for (const NodeName& name : node->names) {
        if (name.parent == nullptr) continue;
        by_name_.erase({name.parent, name.name});
        pinned.push_back(name.parent);
      }
      free(*node);
    }
    if (pinned.empty()) return;
    node = pinned.back();
    pinned.pop_back();
    --node->pins;
  }
}

void NodeTable::unpin_locked(Node& node) {
  --node.pins;
  collect(node);
}

void NodeTable::forget(Node& node, std::uint64_t lookups) {
  const std::lock_guard lock(mutex_);
  node.lookups -= std::min(node.lookups, lookups);
  collect(node);
}

void NodeTable::pin(Node& node) {
  const std::lock_guard lock(mutex_);
  ++node.pins;
}

void NodeTable::unpin(Node& node) {
  const std::lock_guard lock(mutex_);
  unpin_locked(node);
}

bool NodeTable::reachable_name(const Node& node, NodeName& name) {
  const std::lock_guard lock(mutex_);
  for (const NodeName& candidate : node.names) {
    if (candidate.on == nullptr && !node.is_directory()) continue;
    name = candidate;
    return true;
  }
  return false;
}

bool NodeTable::has_names(const Node& node) {
  const std::lock_guard lock(mutex_);
  return std::any_of(node.names.begin(), node.names.end(),
                     [](const NodeName& name) { return name.parent != nullptr; });
}

bool NodeTable::is_last_name(const Node& node) {
  const std::lock_guard lock(mutex_);
  return std::count_if(node.names.begin(), node.names.end(),
                       [](const NodeName& name) { return name.parent != nullptr; }) == 1;
}

void NodeTable::add_name(Node& node, NodeName name) {
  const std::lock_guard lock(mutex_);
  take_from_other(name.parent, name.name, nullptr);
  link(node, std::move(name));
}

void NodeTable::remove_name(Node& node, const Node* parent, std::string_view name) {
  const std::lock_guard lock(mutex_);
  unlink_if_there(node, parent, name);
}

void NodeTable::set_name_branch(Node& node,
                                const Node& parent,
                                std::string_view name,
                                LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  for (NodeName& own : node.names)
    if (own.parent == &parent && own.name == name) own.on = &branch;
}

void NodeTable::rename(Node& node, const Node& old_parent, std::string_view old_name, NodeName to) {
  const std::lock_guard lock(mutex_);
  take_from_other(to.parent, to.name, &node);
  // The new one first, so that the node is never without.
  unlink_if_there(node, to.parent, to.name);
  link(node, std::move(to));
  unlink_if_there(node, &old_parent, old_name);
}

void NodeTable::exchange(Node& a, const NodeName& a_name, Node& b, const NodeName& b_name) {
  const std::lock_guard lock(mutex_);
  unlink_if_there(a, a_name.parent, a_name.name);
  unlink_if_there(b, b_name.parent, b_name.name);
  link(a, b_name);
  link(b, a_name);
}

void NodeTable::move_file(
    Node& node, LiveBranch& branch, std::uint64_t ino, const Node* parent, std::string_view name) {
  const std::lock_guard lock(mutex_);
  for (NodeName& own : node.names)
    own.on = own.parent == parent && own.name == name ? &branch : nullptr;
  node.parts.assign(1, &branch);
  node.ino = ino;
  add_file(node, {&branch, ino});
  node.revision.fetch_add(1, std::memory_order_release);
}

void NodeTable::forget_files(Node& node) {
  for (const FileKey& key : node.files) {
    const auto [begin, end] = by_file_.equal_range(key);
    for (auto it = begin; it != end; ++it) {
      if (it->second != &node) continue;
      by_file_.erase(it);
      break;
    }
  }
  node.files.clear();
}

void NodeTable::detach_file(Node& node) {
  const std::lock_guard lock(mutex_);
  forget_files(node);
}

void NodeTable::split_off(Node& node, LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  node.parts.assign(1, &branch);
  forget_files(node);
  while (!node.names.empty())
    unlink(node, node.names.begin());
}

void NodeTable::add_file(Node& node, FileKey key) {
  node.files.push_back(key);
  by_file_.emplace(key, &node);
}

void NodeTable::add_handle(Node& node, FileHandle& handle) {
  const std::lock_guard lock(mutex_);
  node.handles.push_back(&handle);
  try {
    open_handles_.insert(&handle);
  } catch (...) {
    node.handles.pop_back();
    throw;
  }
  ++node.pins;
}

void NodeTable::remove_handle(Node& node, FileHandle& handle) {
  const std::lock_guard lock(mutex_);
  open_handles_.erase(&handle);
  std::erase(node.handles, &handle);
  unpin_locked(node);
}

int NodeTable::open_fd(const Node& node) {
  const std::lock_guard lock(mutex_);
  for (const FileHandle* handle : node.handles)
    if (handle->branch == &node.top()) return handle->fd.load();
  return -1;
}

void NodeTable::close_files() {
  const std::lock_guard lock(mutex_);
  for (auto* handle : open_handles_) {
    const std::lock_guard handle_lock(handle->mutex);
    handle->fd = -1;
    handle->owned.clear();
  }
}

void NodeTable::for_each(const std::function<void(const NodeName&, Node&)>& use) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, node] : by_name_)
    for (const NodeName& name : node->names)
      if (name.parent == key.parent && name.name == key.name) use(name, *node);
}

}  // namespace layerkit
