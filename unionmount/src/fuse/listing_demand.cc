#include "listing_demand.h"

#include <dirent.h>

#include <algorithm>

#include "node.h"

namespace layerkit {
namespace {

constexpr std::size_t kFewFiles = 8;  ///< a trial would cost as much as it could save
constexpr unsigned kEnoughLookups = 4;
constexpr unsigned kLongestPause = 64;

bool is_directory(const MergedList& list, std::size_t index) noexcept {
  return list[index].type == DT_DIR;
}

/// The first file of a directory without directories: whoever reads a tree is done with all of its
/// files before the next directory. kNone for others.
std::size_t file_for_trial(const MergedList& list) noexcept {
  constexpr std::size_t kSelfAndParent = 2;
  if (list.size() < kSelfAndParent + kFewFiles) return ListingDemand::Advice::kNone;
  for (std::size_t i = kSelfAndParent; i < list.size(); ++i)
    if (is_directory(list, i)) return ListingDemand::Advice::kNone;
  return kSelfAndParent;
}

}  // namespace

bool ListingDemand::Advice::has_attributes(const MergedList& list,
                                           std::size_t index) const noexcept {
  return is_directory(list, index) || (files_have_attributes && index != withheld);
}

std::size_t ListingDemand::place_of(pid_t reader) noexcept {
  const std::size_t place = static_cast<std::size_t>(reader) % kReaders;
  if (habits_[place].reader != reader) {
    habits_[place] = Habit();
    habits_[place].reader = reader;
    directories_[place] = nullptr;
  }
  return place;
}

void ListingDemand::plan(Habit& habit, const MergedList& list) {
  habit.advice = {.files_have_attributes = habit.wants_attributes, .withheld = Advice::kNone};
  habit.withheld.clear();
  if (!habit.wants_attributes) return;
  const std::size_t file = file_for_trial(list);
  if (file == Advice::kNone) return;
  if (habit.until_trial > 0) {
    --habit.until_trial;
    return;
  }
  habit.advice.withheld = file;
  habit.withheld = list.name(file);
}

void ListingDemand::found_wanting(Habit& habit) noexcept {
  habit.wants_attributes = true;
  habit.trial_pause = std::min(habit.trial_pause * 2, kLongestPause);
  habit.until_trial = habit.trial_pause;
}

ListingDemand::Advice ListingDemand::begin(pid_t reader,
                                           const Node& directory,
                                           const MergedList& list) {
  if (reader == 0) return {};
  const std::lock_guard lock(mutex_);
  const std::size_t place = place_of(reader);
  Habit& habit = habits_[place];
  // rm reads a directory twice before it removes anything.
  const bool is_known = directories_[place] == &directory;
  if (is_known && habit.advice.files_have_attributes == habit.wants_attributes) return habit.advice;
  if (!is_known && !habit.withheld.empty()) habit.wants_attributes = false;
  directories_[place] = &directory;
  habit.lookups = 0;
  plan(habit, list);
  return habit.advice;
}

ListingDemand::Advice ListingDemand::go_on(pid_t reader, const Node& directory) {
  if (reader == 0) return {};
  const std::lock_guard lock(mutex_);
  const std::size_t place = place_of(reader);
  return directories_[place] == &directory ? habits_[place].advice : Advice();
}

void ListingDemand::looked_up(const Node& directory, std::string_view name) {
  const std::lock_guard lock(mutex_);
  for (std::size_t place = 0; place < kReaders; ++place) {
    if (directories_[place] != &directory) continue;
    Habit& habit = habits_[place];
    if (!habit.wants_attributes) {
      if (++habit.lookups >= kEnoughLookups) found_wanting(habit);
    } else if (!habit.withheld.empty() && habit.withheld == name) {
      habit.withheld.clear();
      found_wanting(habit);
    }
  }
}

}  // namespace layerkit
