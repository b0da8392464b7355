#include <fcntl.h>

#include <algorithm>

#include "diff_object.h"
#include "diff_walk.h"
#include "index_page_cache.h"
#include "layer_index.h"
#include "layer_index_file.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/name_sorter.h"
#include "store_layout.h"

namespace layerkit {
namespace {

using layer_index::Place;
using layer_index::Span;
using Kind = IndexDifference::Kind;

/// Enough for one index that is read from front to end.
constexpr std::size_t kCachePages = 64;

/// Goes through the diff directory, and in each directory through both lists of names side by side.
class Verifier {
 public:
  Verifier(int layer_dir,
           Fd diff,
           const std::string& name,
           std::size_t max_differences,
           DiffFormat format)
      : file_(open_at(layer_dir, store_file::kIndex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
              name,
              make_index_page_cache(kCachePages)),
        walk_(std::move(diff), layer_dir),
        names_(layer_dir),
        max_(max_differences),
        format_(format) {}

  std::vector<IndexDifference> run() {
    const Entry root = read_diff_root(walk_.fd(), format_).entry;
    if (file_.entry(file_.root(), RelPath()) != root) add(Kind::Changed, RelPath());
    do {
      compare_directory();
    } while (!full() && walk_.next());
    return std::move(found_);
  }

 private:
  bool full() const noexcept { return found_.size() >= max_; }

  void add(Kind kind, RelPath path) {
    if (!full()) found_.push_back({kind, std::move(path)});
  }

  RelPath path(std::string_view name) const { return walk_.dir().path / name; }

  void compare_directory() {
    names_.clear();
    walk_.add_names(names_, format_);
    const Span span = file_.children(walk_.dir().number);
    Place place = span.begin;
    auto indexed = file_.next(span, place);
    auto on_disk = names_.next();
    while ((indexed || on_disk) && !full()) {
      if (!on_disk || (indexed && indexed->record.name < *on_disk)) {
        add(Kind::NotInDiff, path(indexed->record.name));
        indexed = file_.next(span, place);
      } else if (!indexed || *on_disk < indexed->record.name) {
        add(Kind::NotInIndex, path(*on_disk));
        on_disk = names_.next();
      } else {
        compare_object(*indexed);
        indexed = file_.next(span, place);
        on_disk = names_.next();
      }
    }
  }

  void compare_object(const IndexedObject& indexed) {
    const std::string name(indexed.record.name);
    const auto object = read_diff_object(walk_.fd(), name, path(name), format_);
    if (!object) return add(Kind::NotInDiff, path(name));
    if (file_.entry(indexed, path(name)) != object->entry) add(Kind::Changed, path(name));
    if (!indexed.record.is_directory() || !object->entry.is_directory()) return;
    walk_.visit_later(name, file_.directory_number(indexed.record, walk_.dir().number));
  }

  LayerIndexFile file_;
  DiffWalk walk_;
  NameSorter names_;
  std::size_t max_;
  DiffFormat format_;
  std::vector<IndexDifference> found_;
};

}  // namespace

std::vector<IndexDifference> verify_layer_index(int layer_dir_fd,
                                                const std::string& name,
                                                std::size_t max_differences,
                                                DiffFormat format) {
  return verify_layer_index(layer_dir_fd, open_dir_at(layer_dir_fd, store_file::kDiff), name,
                            max_differences, format);
}

std::vector<IndexDifference> verify_layer_index(int layer_dir_fd,
                                                Fd diff,
                                                const std::string& name,
                                                std::size_t max_differences,
                                                DiffFormat format) {
  return Verifier(layer_dir_fd, std::move(diff), name, max_differences, format).run();
}

}  // namespace layerkit
