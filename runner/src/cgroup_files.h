#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroup.h"

namespace layerkit::runner {

/// One value to write for one limit.
struct CgroupSetting {
  const char* controller;
  const char* file;
  std::string value;
  const char* limit;  ///< for errors: "memory", "cpu quota", ...
  bool required;      ///< false: skipped where the file or controller is absent
};

/// In the order in which they must be written.
std::vector<CgroupSetting> v1_settings(const Resources& resources);
std::vector<CgroupSetting> v2_settings(const Resources& resources);
/// cpu.weight (1..10000) for cpu.shares (2..262144): 1024 becomes 100.
std::uint64_t cpu_weight(std::uint64_t shares);

/// Whether `words`, separated by blanks, has `word`.
bool has_word(std::string_view words, std::string_view word);
/// Content of a control file; nullopt when it cannot be read.
std::optional<std::string> read_control(int directory, const std::string& file);
/// Writes by one write(2), as control files want it. Returns 0 or the errno.
int write_control(int directory, const std::string& file, std::string_view value) noexcept;
/// The number behind `key` in a file of "key number" lines; 0 when absent.
std::uint64_t keyed_number(int directory, const std::string& file, std::string_view key) noexcept;

/// Where a container's cgroup lies in one hierarchy.
struct CgroupPlace {
  std::string base;      ///< an existing cgroup directory
  std::string relative;  ///< below it: "a/b"

  std::string path() const { return base + "/" + relative; }
};

/// "a/b" of "a/b/c"; empty for "a".
std::string_view parent_of(std::string_view path) noexcept;

/// Makes the directory and its parents and opens it. Another container may remove the empty parent
/// meanwhile, hence the retries. Throws Error (Busy when it exists and has processes).
Fd make_cgroup_directory(const CgroupPlace& place);
/// nullopt when there is none.
std::optional<Fd> open_cgroup_directory(const CgroupPlace& place);
/// Removes the directory, cgroups inside it, and parents that became empty. Waits a little for
/// killed processes to go. False when it had to give up.
bool remove_cgroup_directory(const CgroupPlace& place) noexcept;

/// SIGKILL for every process in the directory and the cgroups inside it. Returns how many.
std::size_t kill_processes(int directory) noexcept;
/// Time for killed processes to go.
void pause_briefly() noexcept;

// The implementations behind make_cgroup and find_cgroup.
std::unique_ptr<Cgroup> make_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context);
std::unique_ptr<Cgroup> find_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path);
std::unique_ptr<Cgroup> make_cgroup_v2(const CgroupHierarchy& hierarchy,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context);
std::unique_ptr<Cgroup> find_cgroup_v2(const CgroupHierarchy& hierarchy, const std::string& path);

}  // namespace layerkit::runner
