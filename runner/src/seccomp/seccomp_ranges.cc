#include "seccomp_ranges.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace layerkit::runner {
namespace {

constexpr std::uint32_t kLastCall = std::numeric_limits<std::uint32_t>::max();
/// JSET parts the numbers into as many ranges as there are values of the bits from its own on.
constexpr std::uint32_t kLowestTestedBit = 1U << 28U;
/// A program of any size that is not made to be slow takes thousands.
constexpr std::size_t kMostSteps = 4'000'000;

constexpr std::uint16_t code(unsigned parts) {
  return static_cast<std::uint16_t>(parts);
}
constexpr std::uint16_t kLoad = code(BPF_LD | BPF_W | BPF_ABS);
constexpr std::uint16_t kReturn = code(BPF_RET | BPF_K);
constexpr std::uint16_t kGoOn = code(BPF_JMP | BPF_JA);
constexpr std::uint16_t kIfEqual = code(BPF_JMP | BPF_JEQ | BPF_K);
constexpr std::uint16_t kIfGreater = code(BPF_JMP | BPF_JGT | BPF_K);
constexpr std::uint16_t kIfNotLess = code(BPF_JMP | BPF_JGE | BPF_K);
constexpr std::uint16_t kIfBit = code(BPF_JMP | BPF_JSET | BPF_K);

/// What a program comes to for some system calls before it looks at their arguments.
struct Outcome {
  bool is_answer;       ///< else an instruction that loads something of the arguments
  std::uint32_t value;  ///< SECCOMP_RET_*, or where the instruction is
  auto operator<=>(const Outcome&) const = default;
};

/// From `first` to the next one's.
struct Range {
  std::uint32_t first;
  Outcome outcome;
};
using Ranges = std::vector<Range>;

/// A program that these functions cannot follow.
struct NotFollowed {};

/// Follows a program for one architecture, for all numbers of system calls at once.
class Follower {
 public:
  /// `architecture`: nullopt for one that is compared with nowhere.
  Follower(const std::vector<sock_filter>& program, std::optional<std::uint32_t> architecture)
      : program_(program), architecture_(architecture) {}

  /// In ascending order, each with another outcome than its neighbours. Throws NotFollowed.
  Ranges ranges() {
    follow({0, kLastCall, 0, Loaded::Nothing});
    while (!open_.empty()) {
      const State state = open_.back();
      open_.pop_back();
      follow(state);
    }
    std::sort(found_.begin(), found_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
    Ranges merged;
    for (const Range& range : found_)
      if (merged.empty() || merged.back().outcome != range.outcome) merged.push_back(range);
    return merged;
  }

 private:
  enum class Loaded { Nothing, Number, Architecture };
  struct State {
    std::uint32_t first;
    std::uint32_t last;
    std::size_t at;
    Loaded loaded;
  };

  void follow(State state) {
    for (;;) {
      if (state.at >= program_.size() || ++steps_ > kMostSteps) throw NotFollowed();
      const sock_filter& now = program_[state.at];
      switch (now.code) {
        case kReturn:
          end(state, {true, now.k});
          return;
        case kLoad:
          if (now.k == offsetof(seccomp_data, nr)) {
            state.loaded = Loaded::Number;
          } else if (now.k == offsetof(seccomp_data, arch)) {
            state.loaded = Loaded::Architecture;
          } else {
            end(state, {false, static_cast<std::uint32_t>(state.at)});
            return;
          }
          ++state.at;
          break;
        case kGoOn:
          state.at += 1 + std::size_t{now.k};
          break;
        default:
          if (state.loaded == Loaded::Architecture && now.code == kIfEqual) {
            state.at += 1 + std::size_t{architecture_ == now.k ? now.jt : now.jf};
            break;
          }
          if (state.loaded != Loaded::Number) throw NotFollowed();
          part(state, now);
          return;
      }
    }
  }

  void part(const State& state, const sock_filter& now) {
    const auto go = [&](std::uint64_t first, std::uint64_t last, bool holds) {
      first = std::max<std::uint64_t>(first, state.first);
      last = std::min<std::uint64_t>(last, state.last);
      if (first > last) return;
      open_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
                       state.at + 1 + (holds ? now.jt : now.jf), state.loaded});
    };
    const std::uint64_t value = now.k;
    switch (now.code) {
      case kIfEqual:
        if (value > 0) go(0, value - 1, false);
        go(value, value, true);
        go(value + 1, kLastCall, false);
        return;
      case kIfGreater:
        go(0, value, false);
        go(value + 1, kLastCall, true);
        return;
      case kIfNotLess:
        if (value > 0) go(0, value - 1, false);
        go(value, kLastCall, true);
        return;
      case kIfBit: {
        const bool is_one_bit = (now.k & (now.k - 1)) == 0;
        if (!is_one_bit || now.k < kLowestTestedBit) throw NotFollowed();
        for (std::uint64_t first = 0; first <= kLastCall; first += value)
          go(first, first + value - 1, (first & value) != 0);
        return;
      }
      default:
        throw NotFollowed();
    }
  }

  void end(const State& state, Outcome outcome) { found_.push_back({state.first, outcome}); }

  const std::vector<sock_filter>& program_;
  std::optional<std::uint32_t> architecture_;
  std::vector<State> open_;
  Ranges found_;
  std::size_t steps_ = 0;
};

/// What may follow when the instruction at `at` is executed.
std::vector<std::size_t> successors(const std::vector<sock_filter>& program, std::size_t at) {
  const sock_filter& now = program[at];
  if (BPF_CLASS(now.code) == BPF_RET) return {};
  if (now.code == kGoOn) return {at + 1 + now.k};
  if (BPF_CLASS(now.code) == BPF_JMP) return {at + 1 + now.jt, at + 1 + now.jf};
  return {at + 1};
}

/// The constants that an architecture is compared with: any of a comparison that could be one.
std::set<std::uint32_t> compared_constants(const std::vector<sock_filter>& program) {
  std::set<std::uint32_t> found;
  for (std::size_t at = 0; at + 1 < program.size(); ++at) {
    if (program[at].code != kLoad || program[at].k != offsetof(seccomp_data, arch)) continue;
    std::set<std::size_t> seen;
    std::vector<std::size_t> open = {at + 1};
    while (!open.empty()) {
      const std::size_t next = open.back();
      open.pop_back();
      if (next >= program.size()) throw NotFollowed();
      // Another value is loaded there.
      if (BPF_CLASS(program[next].code) == BPF_LD || !seen.insert(next).second) continue;
      if (program[next].code == kIfEqual) found.insert(program[next].k);
      for (const std::size_t each : successors(program, next))
        open.push_back(each);
    }
  }
  return found;
}

/// Writes a program from its end to its beginning, so that every jump's target is known. A place is
/// how many instructions there are from it to the end.
class BackwardWriter {
 public:
  using Place = std::size_t;

  std::size_t size() const noexcept { return reversed_.size(); }
  Place put(const sock_filter& instruction) {
    reversed_.push_back(instruction);
    return reversed_.size();
  }
  Place load(std::size_t offset) { return put({kLoad, 0, 0, static_cast<std::uint32_t>(offset)}); }
  /// How many instructions a jump put now has to pass over.
  std::size_t distance(Place target) const noexcept { return reversed_.size() - target; }
  Place jump(std::uint16_t test, std::uint32_t value, Place yes, Place no) {
    return put({test, static_cast<std::uint8_t>(distance(yes)),
                static_cast<std::uint8_t>(distance(no)), value});
  }
  Place go_on(Place target) {
    return put({kGoOn, 0, 0, static_cast<std::uint32_t>(distance(target))});
  }
  std::vector<sock_filter> program() && {
    std::reverse(reversed_.begin(), reversed_.end());
    return std::move(reversed_);
  }

 private:
  std::vector<sock_filter> reversed_;
};

class Merger {
 public:
  explicit Merger(const std::vector<sock_filter>& program) : program_(program) {}

  std::vector<sock_filter> merge() {
    std::map<std::uint32_t, Ranges> known;
    for (const std::uint32_t architecture : compared_constants(program_))
      known.emplace(architecture, Follower(program_, architecture).ranges());
    const Ranges others = Follower(program_, std::nullopt).ranges();
    copy_comparisons(known, others);
    Place start = tree_of(others);
    // The one that is looked for first is the first one of the program.
    for (const auto& [architecture, ranges] : known)
      if (architecture != first_architecture()) start = choose(architecture, ranges, start);
    if (const auto first = known.find(first_architecture()); first != known.end())
      start = choose(first->first, first->second, start);
    // `start` was put last, so it is what comes next.
    writer_.load(offsetof(seccomp_data, arch));
    return std::move(writer_).program();
  }

 private:
  using Place = BackwardWriter::Place;
  /// Two more instructions may come between a jump and what it was planned with.
  static constexpr std::size_t kNear = 253;

  std::uint32_t first_architecture() const {
    for (const sock_filter& each : program_)
      if (each.code == kIfEqual) return each.k;
    return 0;
  }

  /// All that outcomes lead to, in the order it had: no jump gets longer.
  void copy_comparisons(const std::map<std::uint32_t, Ranges>& known, const Ranges& others) {
    std::set<std::size_t> wanted;
    std::vector<std::size_t> open;
    const auto add = [&](const Ranges& ranges) {
      for (const Range& range : ranges)
        if (!range.outcome.is_answer) open.push_back(range.outcome.value);
    };
    for (const auto& [architecture, ranges] : known)
      add(ranges);
    add(others);
    while (!open.empty()) {
      const std::size_t at = open.back();
      open.pop_back();
      if (at >= program_.size()) throw NotFollowed();
      if (!wanted.insert(at).second) continue;
      for (const std::size_t next : successors(program_, at))
        open.push_back(next);
    }
    for (auto at = wanted.rbegin(); at != wanted.rend(); ++at)
      copied_[*at] = copy(*at);
  }

  Place copy(std::size_t at) {
    const sock_filter& now = program_[at];
    if (now.code == kGoOn) return writer_.go_on(copied_.at(at + 1 + now.k));
    if (BPF_CLASS(now.code) == BPF_JMP)
      return writer_.jump(now.code, now.k, copied_.at(at + 1 + now.jt),
                          copied_.at(at + 1 + now.jf));
    // It goes on with the next one, which was copied just before.
    return writer_.put(now);
  }

  /// `place`, or one that leads there and a conditional jump reaches.
  Place near(Place place) {
    return writer_.distance(place) <= kNear ? place : writer_.go_on(place);
  }

  Place place_of(const Outcome& outcome) {
    if (!outcome.is_answer) return near(copied_.at(outcome.value));
    const auto answer = answers_.find(outcome.value);
    if (answer != answers_.end() && writer_.distance(answer->second) <= kNear)
      return answer->second;
    return answers_[outcome.value] = writer_.put({kReturn, 0, 0, outcome.value});
  }

  /// With the number loaded.
  Place tree(const Ranges& ranges, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return place_of(ranges[begin].outcome);
    const std::size_t middle = begin + (end - begin) / 2;
    Place high = tree(ranges, middle, end);
    const Place low = near(tree(ranges, begin, middle));
    high = near(high);
    return writer_.jump(kIfNotLess, ranges[middle].first, high, low);
  }

  /// With the architecture loaded.
  Place tree_of(const Ranges& ranges) {
    if (ranges.size() == 1) return place_of(ranges.front().outcome);
    tree(ranges, 0, ranges.size());
    return writer_.load(offsetof(seccomp_data, nr));
  }

  Place choose(std::uint32_t architecture, const Ranges& ranges, Place otherwise) {
    Place its = tree_of(ranges);
    otherwise = near(otherwise);
    its = near(its);
    return writer_.jump(kIfEqual, architecture, its, otherwise);
  }

  const std::vector<sock_filter>& program_;
  BackwardWriter writer_;
  std::map<std::size_t, Place> copied_;
  std::map<std::uint32_t, Place> answers_;
};

}  // namespace

std::vector<sock_filter> merge_ranges(std::vector<sock_filter> program) {
  try {
    std::vector<sock_filter> merged = Merger(program).merge();
    if (merged.size() < program.size()) return merged;
  } catch (const NotFollowed&) {
    return program;
  }
  return program;
}

}  // namespace layerkit::runner
