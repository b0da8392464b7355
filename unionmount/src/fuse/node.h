#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "live_branch.h"

namespace layerkit {

struct Node;
struct FileHandle;

/// A name of a node. `on` says where the name exists: null for one that is shown but whose file is
/// reached by another name (a hard link below of a file that was copied up). A null `parent` is
/// the directory of pseudo-links.
struct NodeName {
  Node* parent = nullptr;
  std::string name;
  LiveBranch* on = nullptr;
};

/// A file of a branch.
struct FileKey {
  const LiveBranch* branch;
  std::uint64_t ino;
  bool operator==(const FileKey&) const = default;
};

/// An object that the kernel knows: its node ID is the address. With a name and its places in the
/// tables about 500 bytes.
///
/// `parts` and the names of directories change under the exclusive tree lock; names of others and
/// the counts under the mutex of the NodeTable.
struct Node {
  mode_t type = 0;               ///< S_IFMT
  std::uint64_t number = 0;      ///< st_ino
  std::uint64_t generation = 0;  ///< of the address, for the kernel
  /// A directory: the branches that hold it, top first. Others: the one with the file.
  std::vector<LiveBranch*> parts;
  std::list<NodeName> names;        ///< empty: removed, or nothing known
  std::uint64_t ino = 0;            ///< others: st_ino on the branch
  std::uint64_t lookups = 0;        ///< the kernel's references
  std::uint32_t pins = 0;           ///< ours: children and open files
  std::uint32_t removed_links = 0;  ///< names of a file below that whiteouts hide
  std::uint32_t missing_links = 0;  ///< names of a copied-up file that exist below only
  bool has_pseudo_link = false;
  /// A copy whose name may not be on the disk yet.
  std::atomic<bool> is_new_copy{false};
  /// Grows when the file moves to another branch, and when entries of a directory change.
  std::atomic<std::uint32_t> revision{0};
  /// Grows when a directory in a directory comes or goes.
  std::atomic<std::uint32_t> directory_changes{0};
  /// The kernel was told, to be remembered, that some name is not in the directory.
  std::atomic<bool> lacks_names{false};
  /// A merged directory's link count, and of what state of its parts: see UnionFs::merged_links.
  std::atomic<std::uint64_t> counted_links{0};
  std::vector<FileKey> files;  ///< what lookups may find that is this object; not for directories
  std::vector<FileHandle*> handles;  ///< open files
  /// What the kernel passes reads and writes of this node to; under BackingFiles' mutex.
  struct Backing {
    std::uint32_t id = 0;
    std::uint32_t opens = 0;         ///< that are passed through
    std::uint32_t cached_opens = 0;  ///< that are not
    std::uint32_t revision = 0;      ///< of the node when it was registered
    LiveBranch* branch = nullptr;    ///< where the registered file is
  };
  Backing backing;
  std::shared_ptr<const Fd> held;  ///< keeps a removed directory or nameless file
  Node* newer = nullptr;           ///< all nodes but the root, in the order they were made
  Node* older = nullptr;

  bool is_directory() const noexcept { return type == S_IFDIR; }
  LiveBranch& top() const noexcept { return *parts.front(); }
};

/// All nodes. Thread-safe; a pointer that it gives lives as long as a reference of the kernel or a
/// pin. References and pins are dropped under the tree lock.
class NodeTable {
 public:
  /// `on_free` is called with each node that goes, before it goes, under the mutex.
  NodeTable(std::vector<LiveBranch*> root_parts, std::function<void(Node&)> on_free);
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  Node& root() noexcept { return *root_; }

  /// What a lookup found.
  struct Seen {
    mode_t type = 0;
    std::uint64_t number = 0;
    std::vector<LiveBranch*> parts;
    std::uint64_t ino = 0;
    NodeName name;     ///< what was looked up
    std::string link;  ///< of a pseudo-link: its name; then name.on is null
    std::uint32_t missing_links = 0;
  };
  /// The node for it, with one more reference of the kernel. A name that led to another object
  /// before leads to this one now. The parts of a directory that was known are left as they were.
  Node& enter(const Seen& seen);
  /// As enter, for a new file without a name.
  Node& enter_nameless(const Seen& seen);
  void add_lookup(Node& node);
  /// The node of a name, if it is known; without a reference. REQUIRES: the exclusive tree lock,
  /// which keeps it alive.
  Node* find(const Node& parent, std::string_view name);
  /// Whether the name is known to lead to a file on another branch, or to a directory.
  bool is_elsewhere(const Node& parent, std::string_view name, const LiveBranch& branch);

  void forget(Node& node, std::uint64_t lookups);
  /// Whether so many have gone, and more than are left, that their memory is worth giving back;
  /// counts from there.
  bool many_are_gone() noexcept;
  void pin(Node& node);
  void unpin(Node& node);
  std::mutex& mutex() noexcept { return mutex_; }

  /// A name by which the file can be opened; false when there is none.
  bool reachable_name(const Node& node, NodeName& name);
  /// Whether the union shows it under any name; under one alone.
  bool has_names(const Node& node);
  bool is_last_name(const Node& node);

  void add_name(Node& node, NodeName name);
  void remove_name(Node& node, const Node* parent, std::string_view name);
  /// The name exists on the branch now.
  void set_name_branch(Node& node, const Node& parent, std::string_view name, LiveBranch& branch);
  /// Moves the node from one name to another; a node that had the new name loses it.
  void rename(Node& node, const Node& old_parent, std::string_view old_name, NodeName to);
  void exchange(Node& a, const NodeName& a_name, Node& b, const NodeName& b_name);
  /// The file now lives elsewhere: after a copy-up. What leads to the old one keeps leading to the
  /// node; its names are where `on` says now, or nowhere but `name`.
  void move_file(
      Node& node, LiveBranch& branch, std::uint64_t ino, const Node* parent, std::string_view name);
  /// The file's last name is gone: a lookup that finds its inode again found another file.
  void detach_file(Node& node);
  /// The node keeps the open files that it has on `branch` and nothing else: its names lead to a
  /// new node from now on.
  void split_off(Node& node, LiveBranch& branch);

  void add_handle(Node& node, FileHandle& handle);
  void remove_handle(Node& node, FileHandle& handle);
  /// A descriptor of an open file that is the node's file now; -1 when there is none.
  int open_fd(const Node& node);
  /// Closes every open file: releases that were on their way when the connection went do not come.
  void close_files();

  /// Calls `use` for every name that is known, under the mutex.
  void for_each(const std::function<void(const NodeName&, Node&)>& use);

 private:
  struct NameKey {
    const Node* parent;
    std::string_view name;  ///< of the list's own string
    bool operator==(const NameKey&) const = default;
  };
  struct NameHash {
    std::size_t operator()(const NameKey& key) const noexcept {
      return std::hash<std::string_view>{}(key.name) ^
             (std::hash<const void*>{}(key.parent) * 0x9E3779B97F4A7C15U);
    }
  };
  struct FileHash {
    std::size_t operator()(const FileKey& key) const noexcept {
      return (key.ino * 0x9E3779B97F4A7C15U) ^ std::hash<const void*>{}(key.branch);
    }
  };
  using Names = std::list<NodeName>;

  Node* known(const Seen& seen);
  Node& make(const Seen& seen);
  void link(Node& node, NodeName name);
  void unlink(Node& node, Names::iterator name);
  void unlink_if_there(Node& node, const Node* parent, std::string_view name);
  void take_from_other(const Node* parent, std::string_view name, const Node* keep);
  void unpin_locked(Node& node);
  void collect(Node& first);
  void free(Node& node) noexcept;
  void add_file(Node& node, FileKey key);
  void forget_files(Node& node);

  std::mutex mutex_;
  std::function<void(Node&)> on_free_;
  std::unique_ptr<Node> root_;
  Node* newest_ = nullptr;
  std::size_t count_ = 0;
  std::size_t freed_ = 0;  ///< since memory was given back
  std::uint64_t next_generation_ = 1;
  std::unordered_set<FileHandle*> open_handles_;
  std::unordered_map<NameKey, Node*, NameHash> by_name_;
  std::unordered_multimap<FileKey, Node*, FileHash> by_file_;
};

}  // namespace layerkit
