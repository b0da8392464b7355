#include "layerkit/layerstore/name_sorter.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::string_view kFileName = "temporary file";

std::array<char, 2> size_bytes(std::size_t size) {
  return {static_cast<char>(size & 0xffU), static_cast<char>(size >> 8U & 0xffU)};
}

std::size_t size_of(std::string_view bytes) {
  return static_cast<unsigned char>(bytes[0]) +
         (static_cast<std::size_t>(static_cast<unsigned char>(bytes[1])) << 8U);
}

}  // namespace

void NameSorter::add(std::string_view text) {
  if (text_.size() + items_.size() * sizeof(Item) + text.size() > max_memory_ && !items_.empty()) {
    spill();
  }
  items_.push_back(
      {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())});
  text_.append(text);
}

std::optional<std::string_view> NameSorter::next() {
  if (!started_) start();
  if (runs_.empty()) {
    if (next_item_ == items_.size()) return std::nullopt;
    return in_memory(items_[next_item_++]);
  }
  if (heap_.empty()) return std::nullopt;
  const auto later = [this](std::size_t a, std::size_t b) { return runs_[a].head > runs_[b].head; };
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Run& run = runs_[heap_.back()];
  std::swap(current_, run.head);
  if (advance(run)) {
    std::push_heap(heap_.begin(), heap_.end(), later);
  } else {
    heap_.pop_back();
  }
  return current_;
}

void NameSorter::clear() {
  text_.clear();
  items_.clear();
  next_item_ = 0;
  runs_.clear();
  heap_.clear();
  file_.reset();
  file_end_ = 0;
  started_ = false;
}

void NameSorter::sort_memory() {
  std::sort(items_.begin(), items_.end(),
            [this](const Item& a, const Item& b) { return in_memory(a) < in_memory(b); });
}

void NameSorter::spill() {
  if (!file_) file_ = open_at(directory_, ".", O_TMPFILE | O_RDWR, 0600);
  sort_memory();
  const std::uint64_t begin = file_end_;
  std::string out;
  for (const Item& item : items_) {
    const auto size = size_bytes(item.size);
    out.append(size.data(), size.size()).append(in_memory(item));
    if (out.size() < kReadBytes) continue;
    write_all(file_.get(), out, kFileName);
    file_end_ += out.size();
    out.clear();
  }
  write_all(file_.get(), out, kFileName);
  file_end_ += out.size();
  runs_.push_back({begin, file_end_, {}, 0, {}});
  items_.clear();
  text_.clear();
}

void NameSorter::start() {
  started_ = true;
  if (runs_.empty()) return sort_memory();
  spill();
  text_ = {};
  items_ = {};
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (advance(runs_[i])) heap_.push_back(i);
  }
  std::make_heap(heap_.begin(), heap_.end(),
                 [this](std::size_t a, std::size_t b) { return runs_[a].head > runs_[b].head; });
}

/// Reads the run's next text into its head; false at its end.
bool NameSorter::advance(Run& run) {
  const auto ensure = [&](std::size_t bytes) {
    if (run.buffer.size() - run.used >= bytes) return true;
    run.buffer.erase(0, run.used);
    run.used = 0;
    const std::size_t kept = run.buffer.size();
    const std::size_t take = std::min<std::uint64_t>(kReadBytes, run.end - run.offset);
    run.buffer.resize(kept + take);
    FileRangeSource source(file_.get(), run.offset, take, std::string(kFileName));
    read_full(source, std::as_writable_bytes(std::span(run.buffer).subspan(kept)));
    run.offset += take;
    return run.buffer.size() >= bytes;
  };
  if (!ensure(2)) return false;
  const std::size_t size = size_of(std::string_view(run.buffer).substr(run.used));
  if (!ensure(2 + size)) fail(Errc::Integrity, "sorting names: the temporary file is cut off");
  run.head.assign(run.buffer, run.used + 2, size);
  run.used += 2 + size;
  return true;
}

}  // namespace layerkit
