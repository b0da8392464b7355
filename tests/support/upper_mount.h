#pragma once

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>

#include <string>
#include <vector>

#include "layer_stack.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "tree_dump.h"

namespace layerkit::testing {

/// A writable overlay mount on top of a stack, as a container or another engine has it: what is
/// changed in it lands in an upper directory. REQUIRES: a private mount namespace.
class UpperMount {
 public:
  /// `options` start with ',' when there are any: ",redirect_dir=on". With userxattr the kernel
  /// takes none of them, and has these features off.
  explicit UpperMount(const LayerStack& stack, std::string options = {})
      : stack_(stack), options_(std::move(options)) {
    for (const char* name : {"upper", "work"})
      make_dir_at(stack_.temp().fd(), name, 0755);
    // A mount shows the attributes of the topmost root.
    const auto root = stack_.view()->lookup(RelPath());
    const Fd upper = open_dir_at(stack_.temp().fd(), "upper");
    if (::fchmod(upper.get(), root->mode) != 0) fail_errno(errno, "preparing the upper directory");
    mount();
  }
  UpperMount(const UpperMount&) = delete;
  UpperMount& operator=(const UpperMount&) = delete;
  ~UpperMount() { unmount(); }

  int fd() const { return root_.get(); }
  std::string path(const std::string& name) const { return stack_.temp().path("mnt/" + name); }
  std::string upper_path(const std::string& name) const {
    return stack_.temp().path("upper/" + name);
  }
  Fd upper() const { return open_dir_at(stack_.temp().fd(), "upper"); }
  TreeDump shown() const { return DirectoryDumper::dump(stack_.temp().path("mnt")); }

  /// What is in the kernel's cache only is looked up again after this.
  void remount() {
    unmount();
    mount();
  }
  void unmount() {
    root_.reset();
    ::umount2(stack_.temp().path("mnt").c_str(), MNT_DETACH);
  }

 private:
  void mount() {
    std::string lower;
    for (const std::string& name : stack_.directories())
      lower += (lower.empty() ? "" : ":") + stack_.temp().path(name);
    const bool of_user = stack_.space() == OverlayXattrs::User;
    const std::string options =
        fmt::format("lowerdir={},upperdir={},workdir={}{}", lower, stack_.temp().path("upper"),
                    stack_.temp().path("work"), of_user ? ",userxattr" : options_);
    const std::string target = stack_.temp().path("mnt");
    if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0) {
      fail_errno(errno, "mounting {}", options);
    }
    root_ = open_dir_at(AT_FDCWD, target);
  }

  const LayerStack& stack_;
  std::string options_;
  Fd root_;
};

/// All that a reader gives, with contents.
inline LayerItems read_items(LayerReader& reader) {
  LayerItems items;
  while (auto entry = reader.next()) {
    std::string contents = read_all(reader.contents(), std::size_t{64} << 20, "contents");
    items.push_back({std::move(*entry), std::move(contents)});
  }
  return items;
}

/// What the upper directory of `mount` comes to as a layer on `stack`.
inline LayerItems committed(const UpperMount& mount,
                            const LayerStack& stack,
                            const DiffReaderOptions& options = {}) {
  const auto reader = make_overlay_diff_reader(mount.upper(), stack.view(), stack.context(),
                                               stack.space(), options);
  return read_items(*reader);
}

/// One word per item: what it is, and its path.
inline std::vector<std::string> outline(const LayerItems& items) {
  std::vector<std::string> lines;
  for (const LayerItem& item : items) {
    const Entry& entry = item.entry;
    std::string line = entry.hides == Hides::Path    ? "hide "
                       : entry.hides == Hides::Below ? "opaque "
                       : entry.hard_link_target      ? "link "
                                                     : "";
    line += entry.path.absolute();
    if (entry.hard_link_target) line += " = " + entry.hard_link_target->absolute();
    lines.push_back(line);
  }
  return lines;
}

}  // namespace layerkit::testing
