#pragma once

#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/oci_config.h"

namespace layerkit::runner {

/// A bundle, ready to be started: what its config.json names on the host has been opened.
struct Bundle {
  std::string path;    ///< absolute, without symlinks
  std::string text;    ///< of config.json
  OciConfig config;    ///< with the descriptors of bind mounts
  std::string rootfs;  ///< absolute, without symlinks
  Fd root;             ///< a detached mount of it, with what is mounted below
};

/// As open_bundle() reads it; nothing else is opened.
OciConfig read_bundle_config(const std::string& directory,
                             const std::string& config,
                             const Context& context);

/// `config` (a path; empty: config.json in `directory`). Throws Error.
Bundle open_bundle(const std::string& directory, const std::string& config, const Context& context);

}  // namespace layerkit::runner
