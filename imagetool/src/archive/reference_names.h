#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/archive_documents.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit {

/// ImageName::parse, but nullopt for a text that is no image name.
std::optional<ImageName> parse_name_if_valid(std::string_view text);

/// A name that an archive gives an image. An archive's author may write anything there, so what is
/// no name is a warning and the image stays without it.
std::optional<ImageName> archived_name(std::string_view text, const Context& context);

/// The name of an index.json entry: its annotation io.containerd.image.name, else
/// org.opencontainers.image.ref.name; a bare word there is the repository, with tag "latest".
std::optional<ImageName> reference_name(const Descriptor& entry, const Context& context);

/// Adds what is not yet in `names`.
void add_names(std::vector<ImageName>& names, const std::vector<ImageName>& more);

}  // namespace layerkit
