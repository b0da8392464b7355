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

ListingDemand::Habit& ListingDemand::habit_of(pid_t process) noexcept {
  Habit& habit = habits_[static_cast<std::size_t>(process) % habits_.size()];
  if (habit.process != process) {
    habit = Habit();
    habit.process = process;
  }
  return habit;
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

ListingDemand::Advice ListingDemand::begin(pid_t process,
                                           const Node& directory,
                                           const MergedList& list) {
  const std::lock_guard lock(mutex_);
  Habit& habit = habit_of(process);
  // rm reads a directory twice before it removes anything.
  if (habit.directory == &directory) return habit.advice;
  if (!habit.withheld.empty()) habit.wants_attributes = false;
  habit.directory = &directory;
  habit.lookups = 0;
  plan(habit, list);
  return habit.advice;
}

ListingDemand::Advice ListingDemand::go_on(pid_t process, const Node& directory) {
  const std::lock_guard lock(mutex_);
  const Habit& habit = habit_of(process);
  return habit.directory == &directory ? habit.advice : Advice();
}

void ListingDemand::looked_up(pid_t process, const Node& directory, std::string_view name) {
  const std::lock_guard lock(mutex_);
  Habit& habit = habits_[static_cast<std::size_t>(process) % habits_.size()];
  if (habit.process != process || habit.directory != &directory) return;
  if (!habit.wants_attributes) {
    if (++habit.lookups >= kEnoughLookups) found_wanting(habit);
  } else if (!habit.withheld.empty() && habit.withheld == name) {
    habit.withheld.clear();
    found_wanting(habit);
  }
}

}  // namespace layerkit
