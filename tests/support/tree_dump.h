#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit::testing {

/// A tree as text: path -> one line with everything about the object.
using TreeDump = std::map<std::string, std::string>;

inline std::string describe_contents(const std::string& contents) {
  if (contents.size() <= 40) return layerkit::quoted(contents);
  return fmt::format("{} bytes {}", contents.size(), Sha256::of(contents).hex());
}

inline std::string describe(const Entry& entry, const std::string& contents) {
  constexpr const char* kTypes[] = {"file", "dir", "symlink", "char", "block", "fifo", "socket"};
  std::string line = fmt::format("{} {:04o} {}:{} {}.{:09}", kTypes[static_cast<int>(entry.type)],
                                 entry.type == FileType::Symlink ? 0777U : entry.mode, entry.uid,
                                 entry.gid, entry.mtime.seconds, entry.mtime.nanoseconds);
  if (entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice) {
    line += fmt::format(" {}:{}", entry.device_major, entry.device_minor);
  }
  if (entry.type == FileType::Symlink) line += " -> " + layerkit::quoted(entry.symlink_target);
  if (entry.type == FileType::Regular) line += " " + describe_contents(contents);
  for (const auto& [key, value] : entry.xattrs)
    line += fmt::format(" {}={}", key, layerkit::quoted(value));
  return line;
}

inline void dump_into(TreeDump& dump, const LayerTree& tree, const RelPath& path) {
  const auto entry = tree.lookup(path);
  if (!entry) {
    dump[path.str()] = "listed but absent";
    return;
  }
  std::string contents;
  if (entry->type == FileType::Regular && !entry->is_whiteout()) {
    contents = read_all(*tree.open(path), 1 << 26, path.str());
    EXPECT_EQ(contents.size(), entry->size);
  }
  dump[path.str()] = entry->is_whiteout() ? "whiteout" : describe(*entry, contents);
  if (entry->hides == Hides::Below) dump[path.str()] += " opaque";
  if (!entry->is_directory()) return;
  for (const std::string& name : tree.list(path))
    dump_into(dump, tree, path / name);
}

inline TreeDump dump_tree(const LayerTree& tree) {
  TreeDump dump;
  dump_into(dump, tree, RelPath());
  return dump;
}

/// Describes what the file system says of `name`.
inline std::string describe_object(int dir_fd, const std::string& name, const FileStat& stat) {
  Entry entry;
  entry.type = stat.type;
  entry.mode = stat.mode;
  entry.uid = stat.uid;
  entry.gid = stat.gid;
  entry.mtime = stat.mtime;
  entry.device_major = stat.device_major;
  entry.device_minor = stat.device_minor;
  entry.xattrs = read_xattrs_at(dir_fd, name);
  if (stat.type == FileType::Symlink) entry.symlink_target = read_link_at(dir_fd, name);
  const bool regular = stat.type == FileType::Regular;
  return describe(entry, regular ? read_file_at(dir_fd, name, 1 << 26) : "");
}

/// Dumps what the kernel shows; second and later names of a file say so.
class DirectoryDumper {
 public:
  static TreeDump dump(const std::string& path) {
    DirectoryDumper dumper;
    const Fd root = open_dir_at(AT_FDCWD, path);
    dumper.add(root.get(), ".", RelPath());
    return std::move(dumper.dump_);
  }

 private:
  void add(int dir_fd, const std::string& name, const RelPath& path) {
    const auto stat = stat_at(dir_fd, name);
    if (!stat) {
      dump_[path.str()] = "listed but absent";
      return;
    }
    dump_[path.str()] = describe_object(dir_fd, name, *stat);
    if (stat->type == FileType::Directory) {
      const Fd dir = open_dir_at(dir_fd, name);
      for (const DirEntry& child : list_dir(dir.get())) {
        add(dir.get(), child.name, path / child.name);
      }
    } else if (stat->nlink > 1) {
      const auto [first, added] = first_names_.try_emplace({stat->dev, stat->ino}, path.str());
      if (!added) dump_[path.str()] += " same file as " + first->second;
    }
  }

  TreeDump dump_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> first_names_;
};

/// The dump without what a LayerTree does not tell.
inline TreeDump without_links(TreeDump dump) {
  for (auto& [path, line] : dump)
    line = line.substr(0, line.find(" same file as "));
  return dump;
}

/// Expects equal dumps; says only what differs.
inline void expect_same_tree(const TreeDump& got, const TreeDump& wanted, const std::string& what) {
  for (const auto& [path, line] : wanted) {
    const auto found = got.find(path);
    EXPECT_EQ(found == got.end() ? "absent" : found->second, line) << what << ": /" << path;
  }
  for (const auto& [path, line] : got) {
    EXPECT_TRUE(wanted.contains(path)) << what << ": /" << path << " is too many: " << line;
  }
}

}  // namespace layerkit::testing
