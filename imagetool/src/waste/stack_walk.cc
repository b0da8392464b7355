#include "waste/stack_walk.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// One layer's part of a directory.
struct Part {
  std::size_t layer;
  std::shared_ptr<const LayerDir> directory;
  std::optional<Hiding> hiding;
};

/// A name that a part has.
struct PartName {
  std::string name;
  std::size_t part;
};

/// The lowest layer that hides it counts: what hides a directory above may be a later one.
template <typename Version>
void hide(Version& version, const Hiding& hiding) {
  if (!version.hiding || hiding.layer < version.hiding->layer) version.hiding = hiding;
}

template <typename Versions>
void hide_all(Versions& versions, const Hiding& hiding) {
  for (auto& version : versions)
    hide(version, hiding);
}

class StackWalk {
 public:
  StackWalk(const OnStackedPath& visit, const Context& context)
      : visit_(visit), context_(context) {}

  void visit_directory(const RelPath& path, const std::vector<Part>& parts);

 private:
  void visit_name(const RelPath& path,
                  const std::vector<Part>& parts,
                  std::span<const PartName> names);

  const OnStackedPath& visit_;
  const Context& context_;
};

/// Those of all parts, sorted; of one name the lowest layer first.
std::vector<PartName> names_of(const std::vector<Part>& parts) {
  std::vector<PartName> names;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (LayerName& name : parts[i].directory->list())
      names.push_back({std::move(name.name), i});
  }
  if (parts.size() > 1) std::ranges::stable_sort(names, {}, &PartName::name);
  return names;
}

void StackWalk::visit_directory(const RelPath& path, const std::vector<Part>& parts) {
  const std::vector<PartName> names = names_of(parts);
  for (auto at = names.begin(); at != names.end();) {
    context_.check_interrupted();
    const auto end = std::find_if(at, names.end(),
                                  [&](const PartName& other) { return other.name != at->name; });
    visit_name(path / at->name, parts, {at, end});
    at = end;
  }
}

void StackWalk::visit_name(const RelPath& path,
                           const std::vector<Part>& parts,
                           std::span<const PartName> names) {
  std::vector<StackedVersion> versions;
  std::vector<Part> directories;
  const auto hide_lower = [&](const Hiding& hiding) {
    hide_all(versions, hiding);
    hide_all(directories, hiding);
  };
  for (const PartName& name : names) {
    const Part& part = parts[name.part];
    auto child = part.directory->find(name.name);
    if (!child) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
    if (child->entry.is_whiteout()) {
      hide_lower({part.layer, HidingKind::Whiteout});
      continue;
    }
    const Hiding replaced{part.layer, HidingKind::Replaced};
    if (!child->directory) hide_lower(replaced);
    for (StackedVersion& version : versions) {
      if (!version.entry.is_directory()) hide(version, replaced);
    }
    if (child->entry.hides == Hides::Below) hide_lower({part.layer, HidingKind::Opaque});
    versions.push_back({part.layer, std::move(child->entry), part.hiding});
    if (child->directory) {
      directories.push_back({part.layer, std::move(child->directory), part.hiding});
    }
  }
  if (!versions.empty()) visit_(path, versions);
  versions.clear();
  if (!directories.empty()) visit_directory(path, directories);
}

}  // namespace

void walk_stack(const std::vector<std::shared_ptr<const LayerTree>>& base_to_top,
                const OnStackedPath& visit,
                const Context& context) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < base_to_top.size(); ++i) {
    if (base_to_top[i]->hides_lower(RelPath())) hide_all(parts, {i, HidingKind::Opaque});
    parts.push_back({i, base_to_top[i]->root_dir(), std::nullopt});
  }
  StackWalk(visit, context).visit_directory(RelPath(), parts);
}

}  // namespace layerkit
