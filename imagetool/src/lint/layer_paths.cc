#include "lint/layer_paths.h"

#include <fmt/format.h>

#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "lint/entry_lint.h"
#include "lint/lint_rules.h"

namespace layerkit::lint {
namespace {

enum : std::uint8_t { kDirectory, kOther, kWhiteout, kOpaque, kLinkTarget };

std::string quoted_path(const RelPath& path) {
  return quoted(path.absolute());
}

}  // namespace

void LayerPaths::put(const RelPath& path, std::uint8_t kind, std::string_view detail) {
  records_.add(SortRecord().path(path).u8(kind).u32(detail.size()).bytes(detail).str());
}

void LayerPaths::add(const Entry& entry) {
  if (is_aufs_metadata(entry.path)) return;
  const std::string_view name = entry.path.name();
  if (name == kOpaqueName) return put(parents_.directory(entry.path.parent()), kOpaque);
  const RelPath path = parents_.resolve(entry.path);
  if (!entry.path.is_root()) note_linked_parent(entry.path.parent());
  if (name.starts_with(kWhiteoutPrefix)) {
    return put(path.parent() / name.substr(kWhiteoutPrefix.size()), kWhiteout);
  }
  put(path, entry.is_directory() ? kDirectory : kOther);
  if (!entry.hard_link_target || is_aufs_metadata(*entry.hard_link_target)) return;
  put(targets_.resolve(*entry.hard_link_target), kLinkTarget, entry.path.str());
}

void LayerPaths::note_linked_parent(const RelPath& parent) {
  const RelPath& real = parents_.directory(parent);
  if (real == parent || last_linked_parent_ == parent) return;
  last_linked_parent_ = parent;
  report_.add(rule("parent-is-link"), parent.absolute(),
              fmt::format("entries below {} stand in {}", quoted_path(parent), quoted_path(real)));
}

void LayerPaths::take(RecordFields fields) {
  RelPath path = fields.path();
  if (path != place_.path) {
    judge(place_);
    place_ = {};
    place_.path = std::move(path);
  }
  const std::uint8_t kind = fields.u8();
  switch (kind) {
    case kDirectory:
    case kOther:
      ++place_.entries;
      place_.is_directory = kind == kDirectory;
      break;
    case kWhiteout:
      place_.is_whiteout = true;
      break;
    case kOpaque:
      place_.is_opaque = true;
      break;
    default:
      if (place_.linked_from.empty()) place_.linked_from = fields.bytes(fields.u32());
  }
}

void LayerPaths::judge(const Place& place) {
  const std::string path = place.path.absolute();
  if (place.entries > 1) {
    report_.add(rule("duplicate-entry"), path,
                fmt::format("the layer has {} entries of {}", place.entries, quoted(path)));
  }
  if (!place.linked_from.empty() && place.entries == 0) {
    report_.add(rule("link-to-lower"), "/" + place.linked_from,
                fmt::format("{} is a hard link to {}, which only layers below have",
                            quoted("/" + place.linked_from), quoted(path)));
  }
  judge_whiteout(place);
  judge_parents(place);
}

void LayerPaths::judge_whiteout(const Place& place) {
  const std::string path = place.path.absolute();
  const auto below = lower_ != nullptr ? lower_->lookup(place.path) : std::nullopt;
  if (place.is_whiteout && place.entries > 0) {
    report_.add(rule("whiteout-and-entry"), path,
                fmt::format("the layer removes {} and has an entry of it", quoted(path)));
  } else if (place.is_whiteout && !below) {
    report_.add(rule("whiteout-of-nothing"), path,
                fmt::format("the whiteout of {} hides nothing", quoted(path)));
  }
  const bool hides_children = below && below->is_directory() && !lower_->list(place.path).empty();
  if (place.is_opaque && !hides_children) {
    report_.add(rule("whiteout-of-nothing"), path,
                fmt::format("the opaque marker in {} hides nothing", quoted(path)));
  }
}

/// Parents come first in order: those that have no entry are told with the first that needs them.
void LayerPaths::judge_parents(const Place& place) {
  while (!above_.empty() && !above_.back().contains(place.path))
    above_.pop_back();
  if (place.entries == 0 || place.path.is_root()) return;
  const std::vector<std::string_view> names = place.path.components();
  while (above_.size() + 1 < names.size()) {
    const RelPath parent = (above_.empty() ? RelPath() : above_.back()) / names[above_.size()];
    judge_parent(parent, place.path);
    above_.push_back(parent);
  }
  if (place.is_directory) above_.push_back(place.path);
}

void LayerPaths::judge_parent(const RelPath& directory, const RelPath& child) {
  constexpr std::uint32_t kUsualMode = 0755;
  const std::string path = directory.absolute();
  const auto below = lower_ != nullptr ? lower_->lookup(directory) : std::nullopt;
  if (!below) {
    report_.add(rule("missing-parent"), path,
                fmt::format("{} has no entry, but {} has one", quoted(path), quoted_path(child)));
  } else if (!below->is_directory()) {
    report_.add(rule("parent-was-file"), path,
                fmt::format("{} is no directory in the layers below, but there is an entry of {}",
                            quoted(path), quoted_path(child)));
  } else if (below->mode != kUsualMode || below->uid != 0 || below->gid != 0) {
    report_.add(rule("parent-attributes"), path,
                fmt::format("{} has no entry in the layer, and is {:04o} {}:{} below", quoted(path),
                            below->mode, below->uid, below->gid));
  }
}

void LayerPaths::finish(const Context& context) {
  bool has_any = false;
  while (const auto record = records_.next()) {
    context.check_interrupted();
    has_any = true;
    take(RecordFields(*record));
  }
  if (has_any) judge(place_);
}

}  // namespace layerkit::lint
