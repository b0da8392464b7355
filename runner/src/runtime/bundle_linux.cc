#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "bundle.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (real == nullptr) fail_errno(errno, "opening {}", layerkit::quoted(path));
  // It becomes part of JSON documents.
  if (!is_utf8(real.get()))
    fail(Errc::Invalid, "opening {}: the path is not UTF-8", layerkit::quoted(path));
  return real.get();
}

std::string read_config(const std::string& path) {
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
  if (stat_fd(file.get()).type != FileType::Regular)
    fail(Errc::Invalid, "reading {}: it is no regular file", layerkit::quoted(path));
  FdSource source(file.get(), path);
  return read_all(source, kMaxOciConfig, path);
}

std::string below(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : directory + "/" + path;
}

/// Host paths may be symlinks: who writes config.json is trusted.
void open_sources(ContainerSpec& spec, const std::string& bundle) {
  for (ContainerMount& mount : spec.mounts) {
    if (mount.type != "bind") continue;
    const std::string path = below(bundle, mount.source);
    const bool follows = mount.follows_source && !mount.copies_symlink;
    const int flags = O_PATH | O_CLOEXEC | (follows ? 0 : O_NOFOLLOW);
    mount.source_fd = Fd(::open(path.c_str(), flags));
    if (!mount.source_fd) {
      fail_errno(errno, "mounting {} on {}: opening the source", layerkit::quoted(mount.source),
                 layerkit::quoted(mount.target));
    }
  }
}

Fd open_rootfs(const std::string& path) {
  Fd tree(::open_tree(AT_FDCWD, path.c_str(),
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  if (!tree) fail_errno(errno, "opening the root file system {}", layerkit::quoted(path));
  if (stat_fd(tree.get()).type != FileType::Directory)
    fail(Errc::Invalid, "opening the root file system {}: it is no directory",
         layerkit::quoted(path));
  return tree;
}

}  // namespace

OciConfig read_bundle_config(const std::string& directory,
                             const std::string& config,
                             const Context& context) {
  return read_oci_config(read_config(config.empty() ? below(directory, "config.json") : config),
                         context);
}

Bundle open_bundle(const std::string& directory,
                   const std::string& config,
                   const Context& context) {
  Bundle bundle;
  bundle.path = real_path(directory);
  bundle.text = read_config(config.empty() ? bundle.path + "/config.json" : config);
  bundle.config = read_oci_config(bundle.text, context);
  bundle.rootfs = real_path(below(bundle.path, bundle.config.root_path));
  bundle.root = open_rootfs(bundle.rootfs);
  open_sources(bundle.config.spec, bundle.path);
  return bundle;
}

}  // namespace layerkit::runner
