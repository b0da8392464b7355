#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "branch_choice.h"
#include "branch_watch.h"
#include "directory_fds.h"
#include "file_handle.h"
#include "inode_numbers.h"
#include "layerkit/unionmount/fuse_union.h"
#include "live_branch.h"
#include "merged_list.h"
#include "node.h"
#include "pseudo_links.h"
#include "request_flags.h"
#include "tree_lock.h"

namespace layerkit {

/// An attribute of the union's root that tells its branches, and is on none of them.
inline constexpr std::string_view kBranchesXattr = "user.aufs.branches";

/// Who asks.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t umask = 0;
};

/// An open directory: the list is the one that was read first, until it is read from the start
/// again.
struct DirectoryHandle {
  Node* node = nullptr;
  std::mutex mutex;
  std::shared_ptr<const MergedList> list;
  std::uint32_t revision = 0;
};

/// A node and what the kernel is told of it.
struct NodeReply {
  Node* node = nullptr;
  struct stat stat = {};
};

struct NewObject {
  mode_t mode = 0;  ///< with S_IFMT
  dev_t device = 0;
  std::string target;  ///< of a symlink
};

/// What is to be changed of an object's attributes.
struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<off_t> size;
  std::optional<struct timespec> atime;  ///< UTIME_NOW allowed
  std::optional<struct timespec> mtime;
};

enum class RenameKind { Replace, NoReplace, Exchange };

/// The union as a tree of nodes: AUFS's semantics over the branches, knowing nothing of FUSE.
/// Thread-safe. Every failure is an Error with the errno that a process is to see.
///
/// Locks, in this order: a file's copy-up mutex, the tree lock, then mutexes of parts. The tree
/// lock is held shared to look and exclusively to change names; never while data are copied.
class UnionFs final {
 public:
  /// What the kernel may still believe and is not so any more. A node may be gone when the kernel
  /// is told: an address and no more.
  struct Outdated {
    struct Name {
      const Node* parent;
      std::string name;
    };
    std::vector<Name> names;               ///< that lead to something else, or anywhere at all
    std::vector<const Node*> directories;  ///< attributes and lists
    std::vector<const Node*> files;        ///< attributes
  };

  struct Config {
    std::vector<std::unique_ptr<LiveBranch>> branches;
    AufsSettings settings;
    WhiteoutFormat format = WhiteoutFormat::Aufs;
    bool expendable_upper = false;
    bool may_change_owners = true;  ///< CAP_CHOWN
    std::size_t directory_fds = 1024;
  };
  explicit UnionFs(Config config);
  ~UnionFs();
  UnionFs(const UnionFs&) = delete;
  UnionFs& operator=(const UnionFs&) = delete;

  /// From now on `watch` hears of every directory that is looked up. Before the first request.
  void use_watch(std::unique_ptr<BranchWatch> watch);
  /// Others changed what the name leads to, or, it seems, did. `directory` may be gone.
  Outdated others_changed(const Node& directory, const std::string& name);
  /// Others may have changed anything.
  Outdated others_changed_anything();

  /// Closes all that keeps the branches' file systems busy: nobody will ask any more.
  void let_go();

  Node& root() noexcept { return nodes_.root(); }
  /// Whether what was said stays true until the kernel is told.
  bool may_be_cached() const noexcept { return may_be_cached_.load(std::memory_order_relaxed); }

  // Every NodeReply counts as one lookup of the kernel.
  std::optional<NodeReply> lookup(Node& parent, const std::string& name);
  void forget(Node& node, std::uint64_t lookups) {
    const std::shared_lock tree(tree_);
    nodes_.forget(node, lookups);
  }
  /// Gives memory back to the system when much was forgotten.
  void trim();
  struct stat attributes(Node& node);
  /// `open`: by an open file.
  struct stat change_attributes(Node& node,
                                const AttributeChange& change,
                                FileHandle* open,
                                const RequestFlags& request);
  std::string read_link(Node& node);
  struct statvfs space();
  /// Whether POSIX ACLs count.
  bool has_acls() const noexcept {
    return settings_.acl && settings_.xattrs && settings_.users.is_identity() &&
           settings_.groups.is_identity();
  }

  NodeReply make(Node& parent,
                 const std::string& name,
                 const NewObject& object,
                 const Caller& caller);
  NodeReply link(Node& node, Node& parent, const std::string& name);
  void unlink(Node& parent, const std::string& name);
  void rmdir(Node& parent, const std::string& name);
  void rename(Node& old_parent,
              const std::string& old_name,
              Node& new_parent,
              const std::string& new_name,
              RenameKind kind);

  std::unique_ptr<FileHandle> open(Node& node, int flags, const RequestFlags& request);
  struct Created {
    NodeReply reply;
    std::unique_ptr<FileHandle> handle;
  };
  Created create(Node& parent,
                 const std::string& name,
                 mode_t mode,
                 int flags,
                 const Caller& caller,
                 const RequestFlags& request);
  Created make_nameless(Node& parent, mode_t mode, int flags, const Caller& caller);
  void close(std::unique_ptr<FileHandle> handle);
  /// The next lookup of the node's names gives another node; this one keeps the files that are
  /// open on `branch`.
  void split_off(Node& node, LiveBranch& branch);
  /// The descriptor to read from now.
  int readable_fd(FileHandle& handle);
  enum class SyncWhat { Data, All };
  void sync_file(FileHandle& handle, SyncWhat what);

  // For a union that nobody changes and the kernel opens nothing of: by node.
  std::shared_ptr<const Fd> shared_file(Node& node);
  std::shared_ptr<const MergedList> shared_list(Node& node);

  std::unique_ptr<DirectoryHandle> open_directory(Node& node);
  void close_directory(std::unique_ptr<DirectoryHandle> handle);
  /// `handle`'s list, made anew when it is read from the start and the directory changed.
  std::shared_ptr<const MergedList> list(DirectoryHandle& handle, bool from_start);
  /// As lookup of a listed name, without asking branches that cannot have it.
  std::optional<NodeReply> lookup_listed(DirectoryHandle& handle, std::size_t index);
  void sync_directory(Node& node);

  /// 0 or the errno.
  int get_xattr(Node& node, const std::string& key, std::string& value);
  int list_xattrs(Node& node, std::string& names);
  /// Whether the union has such attributes at all.
  bool has_xattr(std::string_view key) const noexcept;
  /// `kills_setid_bits`: an ACL that the caller sets clears the setgid bit (chmod(2)).
  void set_xattr(
      Node& node, const std::string& key, std::string_view value, int flags, bool kills_setid_bits);
  void remove_xattr(Node& node, const std::string& key);

  // Run-time changes; see UnionControl.
  std::vector<BranchState> branch_states();
  /// Directory and path of each.
  std::vector<Branch> opened_branches();
  Outdated insert_branch(int index, std::unique_ptr<LiveBranch> branch);
  Outdated delete_branch(const std::string& path);
  /// What a branch needs to become writable; null for one that is.
  std::unique_ptr<PrivateArea> open_area_for(const std::string& path,
                                             const BranchAttributes& attributes);
  Outdated modify_branch(const std::string& path,
                         BranchAccess access,
                         const BranchAttributes& attributes,
                         std::unique_ptr<PrivateArea> area);
  Outdated change_settings(const AufsSettings& settings);

 private:
  /// What the branches say of a name.
  struct Found {
    std::vector<LiveBranch*> parts;  ///< empty: absent
    struct stat stat = {};           ///< of the top part
    std::uint64_t number = 0;
    std::uint64_t signature = 0;     ///< of a directory's parts
    LiveBranch* whiteout = nullptr;  ///< absent: whose whiteout ended the search
    bool is_hidden_by_name = false;  ///< that is a `.wh.` name, and no device in the name's place
    std::string link;                ///< the file's pseudo-link
    bool is_by_link = false;         ///< the name itself lies below, the file is the link's
    std::uint32_t missing_links = 0;

    bool exists() const noexcept { return !parts.empty(); }
    bool is_directory() const noexcept { return exists() && S_ISDIR(stat.st_mode); }
    LiveBranch& top() const noexcept { return *parts.front(); }
  };

  // union_lookup.cc
  Found find(const Node& parent, const std::string& name);
  bool find_part(Found& found, const Node& parent, std::size_t part, const std::string& name);
  void find_pseudo_link(Found& found);
  void check_name(const std::string& name) const;
  void watch_parts(Node& directory);
  NodeReply enter(Node& parent, const std::string& name, const Found& found);
  NodeReply with_links(NodeReply reply);
  std::nullopt_t absent_in(Node& parent) const noexcept;
  struct stat shown(const Node& node, struct stat stat) const;
  bool exists_below(const Node& parent, const LiveBranch& branch, const std::string& name);
  struct stat real_stat(Node& node);

  // union_links.cc
  nlink_t merged_links(Node& directory);
  std::uint64_t links_state(Node& directory);
  /// While names of a directory change: lists of it are old afterwards, even if the change failed
  /// half-way. What was counted in it still holds when files alone came and went. REQUIRES: the
  /// exclusive tree lock.
  class NameChange {
   public:
    NameChange(UnionFs& fs, Node& directory, bool of_directory);
    NameChange(const NameChange&) = delete;
    NameChange& operator=(const NameChange&) = delete;
    ~NameChange();

   private:
    UnionFs& fs_;
    Node& directory_;
    bool of_directory_;
    int exceptions_;
    std::uint64_t links_ = 0;  ///< 0: not known
  };

  // union_target.cc: where something is written
  LiveBranch& branch_for_new(const Node& parent, const Found& absent, bool is_directory);
  LiveBranch& branch_for_copy(const Node& parent, const LiveBranch& source);
  bool is_visible_on(const Node& parent, const LiveBranch& branch, const Found& name);
  bool can_hold(const Node& directory, const LiveBranch& branch);
  DirectoryFds::Ref ensure_directory(Node& directory, LiveBranch& branch);
  void add_part(Node& directory, LiveBranch& branch);
  /// A name of a directory, or of something else, came or went.
  static void changed(Node& parent, bool is_directory) noexcept {
    parent.revision.fetch_add(1);
    if (is_directory) parent.directory_changes.fetch_add(1);
  }

  // union_create_linux.cc
  struct Place {
    LiveBranch* branch = nullptr;
    Node* parent = nullptr;
    DirectoryFds::Ref dir;
    const Found* absent = nullptr;
  };
  template <typename Make>
  void make_in_place(const Place& place, const std::string& name, bool is_directory, Make&& make);
  static std::uint32_t stored_id(const OwnerMapping& owners, std::uint32_t id);
  Caller stored(const Caller& caller) const;
  void give_to_caller(
      int dir, int parent, const std::string& name, mode_t mode, const Caller& caller) const;
  NodeReply enter_new(Node& parent, const std::string& name, LiveBranch& branch, int dir);

  // union_remove.cc
  void hide_or_remove(Node& parent, const std::string& name, const Found& found);
  LiveBranch& name_branch(const Node& parent, const std::string& name, const Found& found);
  void forget_name(Node& parent, const std::string& name, const Found& found);
  void drop_last_link(Node& node);
  void retire_directory(Node& node, const DirectoryFds::Ref& top);
  void check_empty(Node& directory);

  // union_rename_linux.cc
  struct RenameSide {
    Node* parent = nullptr;
    const std::string* name = nullptr;
    Found found;
  };
  void check_rename(const RenameSide& from, const RenameSide& to, RenameKind kind);
  void check_replaceable(const RenameSide& to);
  LiveBranch& branch_for_rename(const RenameSide& from, const RenameSide& to);
  bool bring_to(const RenameSide& side, LiveBranch& target, std::unique_lock<TreeLock>& tree);
  void place_linked(Node& parent, const std::string& name, Node& node);
  void make_pure(Node& directory, LiveBranch& target);
  void exchange(RenameSide& from, RenameSide& to, LiveBranch& target);
  void replace(RenameSide& from, RenameSide& to, LiveBranch& target);
  void move(RenameSide& from, RenameSide& to, LiveBranch& target);

  // union_copy_up_linux.cc
  static constexpr off_t kWholeFile = -1;
  static constexpr std::size_t kSharedLists = 64;
  /// Makes sure that the object is on a writable branch; on `wanted` if that is given. `size`: how
  /// much of the data is needed. REQUIRES: no tree lock.
  void copy_up(Node& node, LiveBranch* wanted = nullptr, off_t size = kWholeFile);
  void copy_up_file(Node& node, LiveBranch* wanted, off_t size);
  void copy_up_tree(Node& directory, LiveBranch& target);
  void publish_copy(Node& node,
                    LiveBranch& target,
                    const std::string& staged,
                    const struct stat& source);
  std::mutex& copy_mutex(const Node& node) noexcept;

  // union_file_linux.cc
  Fd open_file(Node& node, int flags);
  /// O_PATH, or a descriptor of an open file for a node without a name.
  Fd open_node(Node& node);
  MergedList read_list(Node& node);
  int stored_xattr(Node& node, const std::string& key, std::string& value);
  Fd open_nameless(Node& node, int flags);
  Fd open_for(Node& node, int flags, const RequestFlags& request);
  void sync_copy(Node& node, int fd);
  std::unique_ptr<FileHandle> make_handle(Node& node, Fd fd, int flags);
  bool is_copied_up_by_open(const Node& directory);
  bool needs_copy_to_open(const Node& node, int flags) const;

  // union_branches.cc
  void prepare_branch(LiveBranch& branch);
  void open_tables(const LiveBranch& branch);
  void settle_links(const LiveBranch& branch);
  void renumber();
  LiveBranch* branch_by_path(const std::string& path);
  bool is_in_use(const LiveBranch& branch);
  Outdated refresh();
  bool refresh_name(Node& parent, const std::string& name, Node& node);
  void add_appeared(Outdated& outdated, Node& directory);
  void add_known(Outdated& outdated);

  AufsSettings settings_;
  WhiteoutFormat format_;
  bool expendable_upper_;
  bool may_change_owners_;
  TreeLock tree_;
  std::vector<std::unique_ptr<LiveBranch>> branches_;  ///< top first
  std::vector<std::unique_ptr<LiveBranch>> deleted_;   ///< nodes may still point to them
  int next_branch_id_ = 0;
  std::atomic<bool> may_be_cached_{false};
  bool reads_whiteout_names_ = false;  ///< any branch: such names cannot be used
  bool some_fail_at_close_ = false;    ///< writable branches; see LiveBranch
  InodeNumbers numbers_;
  PseudoLinks pseudo_links_;
  BranchChoice choice_;
  DirectoryFds fds_;
  RecentlyUsed<const Node*, Fd, std::hash<const Node*>> shared_files_;
  RecentlyUsed<const Node*, MergedList, std::hash<const Node*>> shared_lists_{kSharedLists};
  std::unique_ptr<BranchWatch> watch_;
  NodeTable nodes_;
  std::mutex open_directories_mutex_;
  std::unordered_set<DirectoryHandle*> open_directories_;
  std::array<std::mutex, 64> copy_mutexes_;
};

}  // namespace layerkit
