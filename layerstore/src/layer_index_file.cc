#include "layer_index_file.h"

#include <algorithm>

#include "index_page_cache.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {

using layer_index::Header;
using layer_index::kPageBytes;
using layer_index::kPayloadBytes;
using layer_index::kSpansPerPage;
using layer_index::Page;
using layer_index::Place;
using layer_index::Record;
using layer_index::Span;

namespace {

bool is_name(std::string_view name) noexcept {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

template <typename Work>
decltype(auto) LayerIndexFile::reading(Work&& work) const {
  return with_context(
      [this] { return fmt::format("reading the index of layer {}", quoted(name_)); },
      std::forward<Work>(work));
}

LayerIndexFile::LayerIndexFile(Fd file, std::string name, std::shared_ptr<IndexPageCache> cache)
    : file_(std::move(file)),
      name_(std::move(name)),
      cache_(std::move(cache)),
      id_(cache_->new_file()) {
  reading([this] {
    const FileStat stat = stat_fd(file_.get());
    if (stat.type != FileType::Regular) fail(Errc::Integrity, "it is not a regular file");
    if (stat.size < kPageBytes) fail(Errc::Integrity, "it has only {} bytes", stat.size);
    Page page{};
    FileRangeSource source(file_.get(), 0, kPageBytes, "index");
    read_full(source, page);
    header_ = layer_index::decode_header(page, stat.size);
  });
}

std::shared_ptr<const Page> LayerIndexFile::page(std::uint64_t number) const {
  auto found = cache_->find(id_, number);
  if (found) return found;
  found = read_page(number);
  cache_->put(id_, number, found);
  return found;
}

std::shared_ptr<const Page> LayerIndexFile::read_page(std::uint64_t number) const {
  const auto page = std::make_shared<Page>();
  FileRangeSource source(file_.get(), number * kPageBytes, kPageBytes, "index");
  read_full(source, *page);
  if (!layer_index::page_is_whole(*page, number)) {
    fail(Errc::Integrity, "the checksum of page {} is wrong", number);
  }
  return page;
}

std::shared_ptr<const Page> LayerIndexFile::table_page(std::uint32_t number) const {
  if (number == 0 || number > header_.table_pages) {
    fail(Errc::Integrity, "page {} is none of its {} table pages", number, header_.table_pages);
  }
  return page(number);
}

IndexedObject LayerIndexFile::root() const {
  return reading([this] {
    IndexedObject root{table_page(1), {}};
    root.record = layer_index::decode_record(*root.page, 0);
    if (!root.record.is_directory()) fail(Errc::Integrity, "its root is not a directory");
    return root;
  });
}

Span LayerIndexFile::children(std::uint32_t directory) const {
  return reading([&] {
    if (directory >= header_.directories) {
      fail(Errc::Integrity, "directory {} is none of its {}", directory, header_.directories);
    }
    const auto spans = page(header_.first_directory_page() + directory / kSpansPerPage);
    const Span span = layer_index::decode_span(*spans, directory % kSpansPerPage);
    if (span.end < span.begin || span.begin.page == 0 || span.end.page > header_.table_pages) {
      fail(Errc::Integrity, "the children of directory {} are at no possible place", directory);
    }
    return span;
  });
}

/// The slots of a page that belong to the span: from, and up to.
std::pair<std::size_t, std::size_t> LayerIndexFile::slots_of(const Span& span,
                                                             std::uint32_t number,
                                                             const Page& page) const {
  const std::size_t count = layer_index::slot_count(page);
  const std::size_t begin = number == span.begin.page ? span.begin.slot : 0;
  const std::size_t end = number == span.end.page ? span.end.slot : count;
  if (begin > end || end > count) fail(Errc::Integrity, "page {} has too few records", number);
  return {begin, end};
}

std::optional<IndexedObject> LayerIndexFile::find(const Span& span, std::string_view name) const {
  return reading([&]() -> std::optional<IndexedObject> {
    // The last page that starts with this name or one before it. Of the first page perhaps nothing
    // belongs to the span: it was full.
    std::uint32_t low = span.begin.page;
    std::uint32_t high = span.end.page;
    while (low < high) {
      const std::uint32_t middle = high - (high - low) / 2;
      const auto page = table_page(middle);
      const auto [begin, end] = slots_of(span, middle, *page);
      if (begin == end || name < layer_index::decode_record(*page, begin).name) {
        high = middle - 1;
      } else {
        low = middle;
      }
    }
    IndexedObject found{table_page(low), {}};
    auto [begin, end] = slots_of(span, low, *found.page);
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      found.record = layer_index::decode_record(*found.page, middle);
      if (found.record.name == name) return found;
      if (found.record.name < name) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return std::nullopt;
  });
}

std::optional<IndexedObject> LayerIndexFile::next(const Span& span, Place& place) const {
  return reading([&]() -> std::optional<IndexedObject> {
    while (place < span.end) {
      IndexedObject object{table_page(place.page), {}};
      if (place.slot < slots_of(span, place.page, *object.page).second) {
        object.record = layer_index::decode_record(*object.page, place.slot++);
        if (!is_name(object.record.name)) fail(Errc::Integrity, "a record has an impossible name");
        return object;
      }
      place = {place.page + 1, 0};
    }
    return std::nullopt;
  });
}

Entry LayerIndexFile::entry(const IndexedObject& object, RelPath path) const {
  return reading([&] {
    Entry entry = layer_index::entry_of(object.record);
    entry.path = std::move(path);
    layer_index::decode_extra(extra(object.record.extra), entry);
    return entry;
  });
}

std::string LayerIndexFile::extra(const layer_index::Extra& extra) const {
  std::string bytes;
  if (extra.bytes == 0) return bytes;
  if (extra.bytes > layer_index::kMaxExtraBytes || extra.offset > header_.extra_bytes ||
      extra.bytes > header_.extra_bytes - extra.offset) {
    fail(Errc::Integrity, "the target or xattrs of a record lie outside of it");
  }
  while (bytes.size() < extra.bytes) {
    const std::uint64_t at = extra.offset + bytes.size();
    const auto from = page(header_.first_extra_page() + at / kPayloadBytes);
    const std::size_t skip = at % kPayloadBytes;
    const std::size_t take = std::min(kPayloadBytes - skip, extra.bytes - bytes.size());
    bytes.append(reinterpret_cast<const char*>(from->data()) + skip, take);
  }
  return bytes;
}

std::uint32_t LayerIndexFile::directory_number(const Record& record, std::uint32_t parent) const {
  // A child gets its number after its parent, so no chain of numbers is a circle.
  if (record.value <= parent || record.value >= header_.directories) {
    reading([&] { fail(Errc::Integrity, "directory {} is no possible child", record.value); });
  }
  return static_cast<std::uint32_t>(record.value);
}

}  // namespace layerkit
