#pragma once

#include <memory>
#include <string>

#include "cli/session.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_source.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit::cli {

/// For the footer of a command that takes two of them.
extern const char* const kComparedSideHelp;
/// In front of a container's name.
inline constexpr std::string_view kContainerPrefix = "container:";

/// A tree that a user named, and what it needs.
struct ComparedSide {
  std::unique_ptr<ImageSource> image;
  std::unique_ptr<ContainerStore> containers;
  std::shared_ptr<const LayerTree> tree;
};

/// "container:NAME", "layer:N:IMAGE" (N from 1, or the beginning of a diff ID), or an image.
/// `context` must outlive it.
ComparedSide open_compared_side(Session& session,
                                const std::string& text,
                                const std::string& platform,
                                const Context& context);

}  // namespace layerkit::cli
