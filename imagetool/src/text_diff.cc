#include "text_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace layerkit {
namespace {

/// Lines as numbers: equal lines have the same one.
using Lines = std::vector<std::uint32_t>;

constexpr std::size_t kContext = 3;
/// Of lines that are added or removed in a smallest difference.
constexpr std::size_t kMaxEdits = 2000;
/// Comparisons of lines while looking for it.
constexpr std::size_t kMaxSteps = 100'000'000;

/// Lines [before_begin, before_end) become [after_begin, after_end).
struct Change {
  std::size_t before_begin;
  std::size_t before_end;
  std::size_t after_begin;
  std::size_t after_end;
};

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

class LineNumbers {
 public:
  Lines of(const std::vector<std::string_view>& lines) {
    Lines numbers;
    numbers.reserve(lines.size());
    for (const std::string_view line : lines) {
      const auto number = static_cast<std::uint32_t>(known_.size());
      numbers.push_back(known_.try_emplace(line, number).first->second);
    }
    return numbers;
  }

 private:
  std::unordered_map<std::string_view, std::uint32_t> known_;
};

/// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): the furthest points that
/// can be reached with 0, 1, 2, ... edits, on each diagonal (place in `a` less place in `b`).
class SmallestDifference {
 public:
  SmallestDifference(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b)
      : a_(a), b_(b) {}

  /// Nullopt when it is too large.
  std::optional<std::vector<Change>> find();

 private:
  using Reached = std::vector<std::int64_t>;  ///< by diagonal from -edits to +edits, every second

  /// The place in `a` where the path to diagonal `k` begins, that `edits` edits reach.
  std::int64_t start(const Reached& before, std::int64_t edits, std::int64_t k) const;
  static bool goes_down(const Reached& before, std::int64_t edits, std::int64_t k);
  static std::int64_t at(const Reached& reached, std::int64_t edits, std::int64_t k) {
    return reached[static_cast<std::size_t>((k + edits) / 2)];
  }
  std::int64_t follow(std::int64_t x, std::int64_t y);
  bool is_end(std::int64_t x, std::int64_t k) const {
    return x == size_of(a_) && x - k == size_of(b_);
  }
  std::vector<Change> trace(std::int64_t edits) const;
  static std::int64_t size_of(std::span<const std::uint32_t> lines) {
    return static_cast<std::int64_t>(lines.size());
  }

  std::span<const std::uint32_t> a_;
  std::span<const std::uint32_t> b_;
  std::vector<Reached> reached_;  ///< by the number of edits
  std::size_t steps_ = 0;
};

/// Whether a line of `b` is inserted, rather than one of `a` removed.
bool SmallestDifference::goes_down(const Reached& before, std::int64_t edits, std::int64_t k) {
  if (k == -edits) return true;
  if (k == edits) return false;
  return at(before, edits - 1, k - 1) < at(before, edits - 1, k + 1);
}

std::int64_t SmallestDifference::start(const Reached& before,
                                       std::int64_t edits,
                                       std::int64_t k) const {
  if (edits == 0) return 0;
  return goes_down(before, edits, k) ? at(before, edits - 1, k + 1)
                                     : at(before, edits - 1, k - 1) + 1;
}

/// Past lines that are equal.
std::int64_t SmallestDifference::follow(std::int64_t x, std::int64_t y) {
  while (x < size_of(a_) && y < size_of(b_) &&
         a_[static_cast<std::size_t>(x)] == b_[static_cast<std::size_t>(y)]) {
    ++x;
    ++y;
    ++steps_;
  }
  return x;
}

std::optional<std::vector<Change>> SmallestDifference::find() {
  const Reached nothing;
  for (std::int64_t edits = 0; edits <= static_cast<std::int64_t>(kMaxEdits); ++edits) {
    const Reached& before = edits == 0 ? nothing : reached_.back();
    Reached now;
    for (std::int64_t k = -edits; k <= edits; k += 2) {
      // What leaves the texts leads nowhere.
      const std::int64_t x = start(before, edits, k);
      now.push_back(follow(x, x - k));
      if (!is_end(now.back(), k)) continue;
      reached_.push_back(std::move(now));
      return trace(edits);
    }
    if (steps_ > kMaxSteps) break;
    reached_.push_back(std::move(now));
  }
  return std::nullopt;
}

/// Back from the end, edit by edit.
std::vector<Change> SmallestDifference::trace(std::int64_t edits) const {
  std::vector<Change> changes;
  std::int64_t k = size_of(a_) - size_of(b_);
  for (; edits > 0; --edits) {
    const Reached& before = reached_[static_cast<std::size_t>(edits - 1)];
    const bool down = goes_down(before, edits, k);
    k += down ? 1 : -1;
    const std::int64_t x = at(before, edits - 1, k);
    const auto place_a = static_cast<std::size_t>(x);
    const auto place_b = static_cast<std::size_t>(x - k);
    changes.push_back({place_a, place_a + (down ? 0 : 1), place_b, place_b + (down ? 1 : 0)});
  }
  std::ranges::reverse(changes);
  return changes;
}

/// Changes that touch each other become one.
std::vector<Change> joined(const std::vector<Change>& edits) {
  std::vector<Change> changes;
  for (const Change& edit : edits) {
    if (!changes.empty() && changes.back().before_end == edit.before_begin &&
        changes.back().after_end == edit.after_begin) {
      changes.back().before_end = edit.before_end;
      changes.back().after_end = edit.after_end;
    } else {
      changes.push_back(edit);
    }
  }
  return changes;
}

std::vector<Change> difference(const Lines& before, const Lines& after) {
  const auto same_front = std::ranges::mismatch(before, after);
  const auto prefix = static_cast<std::size_t>(same_front.in1 - before.begin());
  std::size_t suffix = 0;
  const std::size_t shortest = std::min(before.size(), after.size()) - prefix;
  while (suffix < shortest &&
         before[before.size() - 1 - suffix] == after[after.size() - 1 - suffix])
    ++suffix;
  const auto middle = [&](const Lines& lines) {
    return std::span(lines).subspan(prefix, lines.size() - prefix - suffix);
  };
  auto edits = SmallestDifference(middle(before), middle(after)).find();
  if (!edits) edits = {{0, middle(before).size(), 0, middle(after).size()}};
  for (Change& edit : *edits) {
    edit.before_begin += prefix;
    edit.before_end += prefix;
    edit.after_begin += prefix;
    edit.after_end += prefix;
  }
  return joined(*edits);
}

/// "3,2": from the third line on two; of none, the line in front of them.
std::string range_text(std::size_t begin, std::size_t end) {
  if (end - begin == 1) return std::to_string(end);
  return fmt::format("{},{}", begin == end ? begin : begin + 1, end - begin);
}

void add_lines(std::string& text,
               char mark,
               const std::vector<std::string_view>& lines,
               std::size_t begin,
               std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    text += mark;
    text += lines[i];
    if (!lines[i].ends_with('\n')) text += "\n\\ No newline at end of file\n";
  }
}

}  // namespace

std::string unified_hunks(std::string_view before_text, std::string_view after_text) {
  const std::vector<std::string_view> before = split_lines(before_text);
  const std::vector<std::string_view> after = split_lines(after_text);
  LineNumbers numbers;
  const Lines before_numbers = numbers.of(before);
  const std::vector<Change> changes = difference(before_numbers, numbers.of(after));
  std::string text;
  for (auto first = changes.begin(); first != changes.end();) {
    auto last = first;
    while (std::next(last) != changes.end() &&
           std::next(last)->before_begin - last->before_end <= 2 * kContext)
      ++last;
    const std::size_t lead = std::min(kContext, first->before_begin);
    const std::size_t tail = std::min(kContext, before.size() - last->before_end);
    text += fmt::format("@@ -{} +{} @@\n",
                        range_text(first->before_begin - lead, last->before_end + tail),
                        range_text(first->after_begin - lead, last->after_end + tail));
    std::size_t at = first->before_begin - lead;
    for (auto change = first; change != std::next(last); ++change) {
      add_lines(text, ' ', before, at, change->before_begin);
      add_lines(text, '-', before, change->before_begin, change->before_end);
      add_lines(text, '+', after, change->after_begin, change->after_end);
      at = change->before_end;
    }
    add_lines(text, ' ', before, at, last->before_end + tail);
    first = std::next(last);
  }
  return text;
}

}  // namespace layerkit
