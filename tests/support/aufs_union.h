#pragma once

#include <fcntl.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tree_dump.h"

namespace layerkit::testing {

/// What AUFS shows of branches, all of them able to hold whiteouts: written down from its kernel
/// source (au_lkup_dentry, au_do_read_vdir) and independently of the code under test, for machines
/// whose kernel has no AUFS. A marker on the root of a branch says nothing there.
class AufsUnion {
 public:
  /// `branches` top first.
  static TreeDump dump(const std::vector<std::string>& branches) {
    AufsUnion shown;
    shown.add_directory(branches, "");
    return std::move(shown.dump_);
  }

 private:
  static bool exists(const std::string& path) { return stat_at(AT_FDCWD, path).has_value(); }
  static bool is_directory(const std::string& path) {
    const auto stat = stat_at(AT_FDCWD, path);
    return stat && stat->type == FileType::Directory;
  }

  /// Names in the merged directory: a whiteout hides what is read after it.
  static std::set<std::string> names(const std::vector<std::string>& directories) {
    std::set<std::string> seen;
    std::set<std::string> hidden;
    for (const std::string& directory : directories) {
      const auto entries = list_dir(open_dir_at(AT_FDCWD, directory).get());
      for (const DirEntry& entry : entries) {
        if (entry.name.starts_with(".wh.") || hidden.contains(entry.name)) continue;
        seen.insert(entry.name);
      }
      for (const DirEntry& entry : entries) {
        if (entry.name.starts_with(".wh.")) hidden.insert(entry.name.substr(4));
      }
    }
    return seen;
  }

  /// The objects that stand for one name, top first: the first decides about the kind, directories
  /// are merged, objects of another kind are passed over.
  static std::vector<std::string> lookup(const std::vector<std::string>& directories,
                                         const std::string& name) {
    std::vector<std::string> found;
    for (const std::string& directory : directories) {
      // A name that leaves no room for the prefix has no whiteout.
      if (name.size() <= 251 && exists(directory + "/.wh." + name)) break;
      const std::string path = directory + "/" + name;
      if (!exists(path)) continue;
      const bool merges = is_directory(path);
      if (!found.empty() && !merges) continue;
      found.push_back(path);
      if (!merges || exists(path + "/.wh..wh..opq")) break;
    }
    return found;
  }

  void add_directory(const std::vector<std::string>& directories, const std::string& path) {
    add_object(directories.front(), path);
    for (const std::string& name : names(directories)) {
      const std::string below = path.empty() ? name : path + "/" + name;
      const auto found = lookup(directories, name);
      if (found.empty()) {
        dump_[below] = "listed but absent";
      } else if (is_directory(found.front())) {
        add_directory(found, below);
      } else {
        add_object(found.front(), below);
      }
    }
  }

  void add_object(const std::string& real, const std::string& path) {
    const auto stat = stat_at(AT_FDCWD, real);
    dump_[path] = describe_object(AT_FDCWD, real, *stat);
    if (stat->type == FileType::Directory || stat->nlink < 2) return;
    const auto [first, added] = first_names_.try_emplace({stat->dev, stat->ino}, path);
    if (!added) dump_[path] += " same file as " + first->second;
  }

  TreeDump dump_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> first_names_;
};

}  // namespace layerkit::testing
