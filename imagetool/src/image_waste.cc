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
  void add_names_of_lower(std::size_t index, NameSorter& by_name);
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

/// A layer has lower files, too: those that its hard links name before it has an entry of them.
void WasteCount::find_links_to_lower(std::size_t index) {
  enum : std::uint8_t { kEntry, kTarget };
  const auto shown = source_.view(index + 1);
  ResolvedPaths paths(*shown);
  ResolvedPaths targets(*shown);
  NameSorter by_path(temporary_.get());
  std::uint64_t number = 0;
  for_each_entry(index, [&](const Entry& entry) {
    const RelPath path = paths.resolve(entry.path);
    by_path.add(SortRecord().path(path).u64(++number).u8(kEntry).str());
    if (!entry.hard_link_target) return;
    const RelPath target = targets.resolve(*entry.hard_link_target);
    by_path.add(SortRecord().path(target).u64(number).u8(kTarget).path(path).str());
  });
  NameSorter by_name(temporary_.get());
  std::optional<RelPath> last;
  bool has_entry = false;
  bool is_linked = false;
  const auto end_path = [&] {
    if (last && is_linked && !has_entry) hidden_.add_linked_lower(index, *last);
    has_entry = is_linked = false;
  };
  while (const auto record = by_path.next()) {
    RecordFields fields(*record);
    RelPath path = fields.path();
    if (last != path) end_path();
    const std::uint64_t place = fields.u64();
    if (fields.u8() == kEntry) {
      has_entry = true;
      by_name.add(SortRecord().path(path).u64(place).u8(kEntry).str());
    } else if (!has_entry) {
      is_linked = true;
      by_name.add(SortRecord().path(fields.path()).u64(place).u8(kTarget).path(path).str());
    }
    last = std::move(path);
  }
  end_path();
  add_names_of_lower(index, by_name);
}

/// `by_name`: of each name its entries in the tar's order, and after those that are hard links to
/// lower files, the file. Only the last entry of a name counts.
void WasteCount::add_names_of_lower(std::size_t index, NameSorter& by_name) {
  RelPath name;
  std::optional<RelPath> target;
  const auto end_name = [&] {
    if (!target) return;
    const auto entry = trees_[index]->lookup(name);
    if (entry && entry->hides == Hides::Nothing && entry->type == FileType::Regular)
      hidden_.add_name_of_lower(index, name, *target);
    target.reset();
  };
  while (const auto record = by_name.next()) {
    RecordFields fields(*record);
    RelPath path = fields.path();
    if (path != name) end_name();
    name = std::move(path);
    fields.u64();
    const bool is_target = fields.u8() != 0;
    target = is_target ? std::optional(fields.path()) : std::nullopt;
  }
  end_name();
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
