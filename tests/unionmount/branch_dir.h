#pragma once

#include <string>
#include <utility>

#include "layerkit/unionmount/union_spec.h"

namespace layerkit::testing {

/// A directory that is to be a branch, and how whiteouts are written in it.
class BranchDir {
 public:
  /// Creates the directory.
  BranchDir(std::string path, WhiteoutFormat format);

  const std::string& path() const { return path_; }
  std::string path(const std::string& below) const { return path_ + "/" + below; }
  WhiteoutFormat format() const { return format_; }

  // Directories on the way are made. All throw when it does not work.
  void file(const std::string& name, const std::string& text = "", unsigned mode = 0644) const;
  void dir(const std::string& name, unsigned mode = 0755) const;
  void symlink(const std::string& name, const std::string& target) const;
  /// mknod(2): a fifo, a socket, a device.
  void node(const std::string& name, unsigned type_and_mode, dev_t device = 0) const;
  void link(const std::string& name, const std::string& existing) const;
  void whiteout(const std::string& name) const;
  /// The directory hides what lies below it; made when absent.
  void opaque(const std::string& name) const;

  bool has(const std::string& name) const;
  bool has_whiteout(const std::string& name) const;
  bool is_opaque(const std::string& name) const;
  std::string text(const std::string& name) const;
  /// All names below it, sorted: "d", "d/f"; of the union's private files only what is in them.
  std::vector<std::string> tree() const;

 private:
  std::string made_parent(const std::string& name) const;

  std::string path_;
  WhiteoutFormat format_;
};

/// An ext4 in a file, mounted: for what a tmpfs cannot do. REQUIRES: a private mount namespace.
class DiskImage {
 public:
  /// Throws Error{Unsupported} where there is no loop device or no mkfs.ext4.
  DiskImage(const std::string& image, std::string mount_point);
  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;
  ~DiskImage();

 private:
  std::string mount_point_;
};

}  // namespace layerkit::testing
