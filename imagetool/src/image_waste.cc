#include "layerkit/imagetool/image_waste.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/layerstore/tar.h"
#include "resolved_paths.h"
#include "sort_record.h"
#include "temporary_directory.h"
#include "waste/duplicate_finder.h"
#include "waste/efficiency_counter.h"
#include "waste/hidden_files.h"

namespace layerkit {
namespace {

/// Reads the layers' tars for what they bring, then the trees for what of it is seen.
class WasteCount {
 public:
  WasteCount(ImageSource& source, const Context& context)
      : source_(source),
        context_(context),
        trees_(trees_of(source)),
        efficiency_(temporary_.get(), source.layers()),
        hidden_(temporary_.get(), trees_) {}

  ImageWaste run(std::size_t top);

 private:
  static HiddenFiles::Trees trees_of(ImageSource& source);
  void read_layer(std::size_t index);
  void find_links_to_lower(std::size_t index);
  template <typename Use>
  void for_each_entry(std::size_t index, Use&& use);

  ImageSource& source_;
  const Context& context_;
  Fd temporary_ = open_temporary_directory();
  HiddenFiles::Trees trees_;
  EfficiencyCounter efficiency_;
  HiddenFiles hidden_;
  ImageWaste waste_;
};

HiddenFiles::Trees WasteCount::trees_of(ImageSource& source) {
  HiddenFiles::Trees trees;
  for (std::size_t i = 0; i < source.layers(); ++i)
    trees.push_back(source.layer_tree(i));
  return trees;
}

/// Of the tar, which is read to its end: it is verified then.
template <typename Use>
void WasteCount::for_each_entry(std::size_t index, Use&& use) {
  const auto tar = source_.open_layer(index);
  const auto reader = make_tar_reader(*tar, TarDialect::Literal);
  while (const auto entry = reader->next()) {
    context_.check_interrupted();
    use(*entry);
  }
  drain(*tar);
}

void WasteCount::read_layer(std::size_t index) {
  std::uint64_t bytes = 0;
  bool has_links = false;
  for_each_entry(index, [&](const Entry& entry) {
    efficiency_.add(index, entry);
    if (entry.hard_link_target) {
      has_links = true;
    } else if (entry.type == FileType::Regular) {
      bytes += entry.size;
    }
  });
  waste_.layer_bytes += bytes;
  if (index == 0) waste_.base_bytes = bytes;
  if (index > 0 && has_links) find_links_to_lower(index);
}

/// A layer has lower files, too: those that its hard links name and that it has no entry of.
void WasteCount::find_links_to_lower(std::size_t index) {
  enum : std::uint8_t { kEntry, kTarget };
  const auto shown = source_.view(index + 1);
  ResolvedPaths paths(*shown);
  ResolvedPaths targets(*shown);
  NameSorter sorter(temporary_.get());
  for_each_entry(index, [&](const Entry& entry) {
    sorter.add(SortRecord().path(paths.resolve(entry.path)).u8(kEntry).str());
    if (!entry.hard_link_target) return;
    sorter.add(SortRecord().path(targets.resolve(*entry.hard_link_target)).u8(kTarget).str());
  });
  std::optional<RelPath> last;
  while (const auto record = sorter.next()) {
    RecordFields fields(*record);
    RelPath path = fields.path();
    const bool is_known = last == path;
    if (fields.u8() == kTarget && !is_known) hidden_.add_linked_lower(index, path);
    last = std::move(path);
  }
}

ImageWaste WasteCount::run(std::size_t top) {
  for (std::size_t i = 0; i < source_.layers(); ++i) {
    with_context(
        [&] {
          return fmt::format("layer {}/{} ({})", i + 1, source_.layers(),
                             source_.image().diff_ids()[i].str());
        },
        [&] { read_layer(i); });
  }
  waste_.efficiency = efficiency_.finish(context_);
  HiddenFiles::Result hidden = hidden_.run(top, context_);
  waste_.shown_bytes = hidden.shown_bytes;
  waste_.hidden_bytes = hidden.hidden_bytes;
  waste_.hidden = std::move(hidden.paths);
  const std::uint64_t kept = waste_.shown_bytes + waste_.hidden_bytes;
  waste_.overwritten_bytes = waste_.layer_bytes - std::min(kept, waste_.layer_bytes);
  FoundDuplicates duplicates = find_duplicates(source_.tree(), temporary_.get(), top, context_);
  waste_.duplicate_bytes = duplicates.bytes;
  waste_.duplicates = std::move(duplicates.groups);
  return std::move(waste_);
}

}  // namespace

std::string_view hiding_text(HidingKind kind) noexcept {
  switch (kind) {
    case HidingKind::Whiteout:
      return "whiteout";
    case HidingKind::Opaque:
      return "opaque directory";
    case HidingKind::Replaced:
      break;
  }
  return "replaced";
}

ImageWaste find_waste(ImageSource& source, std::size_t top, const Context& context) {
  return WasteCount(source, context).run(top);
}

}  // namespace layerkit
