#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/image.h"

namespace layerkit {

/// What is to change in an image's config. What is not given stays; an empty text takes a member
/// away. Removals come before what is set.
struct ConfigChanges {
  std::vector<std::string> env;  ///< "NAME=VALUE"
  std::vector<std::string> env_removed;
  std::vector<std::string> labels;  ///< "NAME=VALUE", or "NAME"
  std::vector<std::string> labels_removed;
  std::vector<std::string> exposed;  ///< "80", "80/udp"
  std::vector<std::string> exposed_removed;
  std::vector<std::string> volumes;
  std::vector<std::string> volumes_removed;
  std::optional<std::string> cmd;  ///< as in a Dockerfile: a JSON array, or a command for the shell
  std::optional<std::string> entrypoint;
  std::optional<std::string> user;
  std::optional<std::string> working_dir;
  std::optional<std::string> stop_signal;
  std::optional<std::string> author;
  std::optional<Platform> platform;
  std::vector<std::string> instructions;  ///< as apply_image_changes takes them; they come last
};

/// The image with that config; layers and history are the same. Throws Error{Invalid} that quotes
/// what it cannot take, Error{NotFound} for a removal of what is not there.
Image change_config(const Image& image, const ConfigChanges& changes);

}  // namespace layerkit
