#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cgroup.h"

namespace layerkit::runner {

/// As remove_parents(), in every hierarchy.
void remove_empty_parents(const CgroupLayout& layout, const std::string& path) noexcept;

/// Whether `words`, separated by blanks, has `word`.
bool has_word(std::string_view words, std::string_view word);
/// Pieces between blanks and line ends.
std::vector<std::string_view> words_of(std::string_view text);
/// Content of a control file; nullopt when it cannot be read.
std::optional<std::string> read_control(int directory, const std::string& file);
/// Writes by one write(2), as control files want it. Returns 0 or the errno.
int write_control(int directory, const std::string& file, std::string_view value) noexcept;
/// The number behind `key` in a file of "key number" lines; 0 when absent.
std::uint64_t keyed_number(int directory, const std::string& file, std::string_view key) noexcept;
/// All of them.
std::map<std::string, std::uint64_t> keyed_numbers(int directory, const std::string& file);
/// The number that the file is; "max" is the highest there is. nullopt when it is none.
std::optional<std::uint64_t> number_file(int directory, const std::string& file) noexcept;

/// A moment after which a wait is given up: processes in uninterruptible sleep may never react.
class Deadline {
 public:
  explicit Deadline(int seconds) noexcept;
  bool has_passed() const noexcept;
  /// For poll(2); 0 when it has passed.
  int left_ms() const noexcept;

 private:
  std::int64_t end_ms_;
};

/// Where a container's cgroup lies in one hierarchy.
struct CgroupPlace {
  std::string base;      ///< an existing cgroup directory
  std::string relative;  ///< below it: "a/b"

  std::string path() const { return base + "/" + relative; }
};

/// "a/b" of "a/b/c"; empty for "a".
std::string_view parent_of(std::string_view path) noexcept;

struct MadeDirectory {
  Fd fd;
  bool is_new = true;  ///< false: it was there, and has neither processes nor cgroups inside it
};
/// Makes the directory and its parents and opens it. Another container may remove the empty parent
/// meanwhile, hence the retries. Throws Error (Busy when it exists and has processes).
MadeDirectory make_cgroup_directory(const CgroupPlace& place);
/// nullopt when there is none.
std::optional<Fd> open_cgroup_directory(const CgroupPlace& place);
/// Removes the directory, cgroups inside it, and parents that became empty. Waits until `deadline`
/// for killed processes to go. False when it had to give up.
bool remove_cgroup_directory(const CgroupPlace& place, const Deadline& deadline) noexcept;

/// Those of a cgroup that is not there, as far as they are empty.
void remove_parents(const CgroupPlace& place) noexcept;

/// A millisecond.
void pause_briefly() noexcept;

/// A new cgroup of the v1 cpuset hierarchy has neither cpus nor memory nodes, and takes no process
/// until it has: `base`/`relative` and what leads there get those from above where they have none.
void inherit_cpuset(const std::string& base, std::string_view relative);

// cgroup_processes_linux.cc

/// Calls `use` for the directory and every cgroup inside it, the outer one first. Cgroups that go
/// meanwhile are left out.
void for_each_cgroup(int directory, const std::function<void(int directory)>& use) noexcept;
/// Of the directory and the cgroups inside it, ascending.
std::vector<pid_t> list_processes(int directory) noexcept;
/// Returns how many processes were there to take it.
std::size_t signal_processes(int directory, int signal_number) noexcept;
/// Whether nothing runs in the directory and the cgroups inside it.
bool has_processes(int directory) noexcept;

// cgroup_freezer_linux.cc. Directories of the v1 freezer hierarchy and of v2.

void freeze_v1(int directory, const std::string& path);
void thaw_v1(int directory, const std::string& path);
bool is_frozen_v1(int directory) noexcept;
/// Kills until nothing is left, at most until then.
void kill_v1(int directory, bool has_freezer, const Deadline& deadline) noexcept;
void freeze_v2(int directory, const std::string& path);
void thaw_v2(int directory, const std::string& path);
bool is_frozen_v2(int directory) noexcept;
void kill_v2(int directory, const Deadline& deadline) noexcept;
/// Waits until cgroup.events says so. False when it did not until then.
bool await_event_v2(int directory,
                    std::string_view key,
                    std::uint64_t value,
                    const Deadline& deadline) noexcept;

// The implementations behind make_cgroup and find_cgroup.
std::unique_ptr<Cgroup> make_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context);
/// `nested` may be empty; see find_nested_cgroup.
/// Whether a directory may belong to the cgroup that is looked for.
using IsOurs = std::function<bool(const std::string& directory)>;
std::unique_ptr<Cgroup> find_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const std::string& nested,
                                       const IsOurs& is_ours);
std::unique_ptr<Cgroup> make_cgroup_v2(const CgroupHierarchy& hierarchy,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context);
std::unique_ptr<Cgroup> find_cgroup_v2(const CgroupHierarchy& hierarchy,
                                       const std::string& path,
                                       const IsOurs& is_ours);

}  // namespace layerkit::runner
