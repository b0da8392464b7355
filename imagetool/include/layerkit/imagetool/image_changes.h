#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace layerkit {

/// An image's `config` object with Dockerfile instructions applied in turn, as `docker commit -c`:
/// CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. Variables of
/// the config's Env are expanded where a Dockerfile does. An ENTRYPOINT drops the CMD unless one of
/// the instructions before it was a CMD. Throws Error{Invalid} that quotes the instruction.
nlohmann::json apply_image_changes(nlohmann::json config, const std::vector<std::string>& changes);

}  // namespace layerkit
