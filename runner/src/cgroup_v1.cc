#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup_devices.h"
#include "cgroup_files.h"
#include "cgroup_settings.h"
#include "cgroup_stats.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr int kRemoveSeconds = 5;
constexpr std::string_view kName = "name=";

struct Member {
  CgroupPlace place;
  std::vector<std::string> controllers;
  Fd directory;
  mutable Fd tasks;  ///< opened when somebody is to join
  bool is_new = false;

  bool has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
  }
};

class CgroupV1 final : public Cgroup, private SettingWriter {
 public:
  CgroupV1() = default;
  CgroupV1(const CgroupV1&) = delete;
  CgroupV1& operator=(const CgroupV1&) = delete;
  ~CgroupV1() override {
    if (is_kept_) return;
    if (is_made_) {
      remove();
    } else {
      remove_new();
    }
  }

  void create(const CgroupHierarchy& hierarchy, const CgroupPlace& place) {
    MadeDirectory made = make_cgroup_directory(place);
    members_.push_back(Member{place, hierarchy.controllers, std::move(made.fd), {}, made.is_new});
    const Member& member = members_.back();
    try {
      member.tasks = open_at(member.directory.get(), "tasks", O_WRONLY);
    } catch (const Error&) {
      if (made.is_new) remove_cgroup_directory(place, Deadline(0));
      members_.pop_back();
      throw;
    }
    // Who joined it would never return.
    if (member.has("freezer") && is_frozen_v1(member.directory.get())) {
      fail(Errc::Busy, "creating cgroup {}: container's cgroup unexpectedly frozen",
           quoted(place.path()));
    }
    if (!made.is_new && member.has("memory")) oom_kills_before_ = oom_kills();
  }

  /// Once all hierarchies are there. From then on it belongs to the container; before, what was
  /// there already is not removed.
  void set_up(const Resources& resources) {
    const Member* cpuset = find("cpuset");
    const bool has_cpuset = !resources.cpu.cpus.empty() || !resources.cpu.mems.empty();
    if (cpuset != nullptr && has_cpuset)
      inherit_cpuset(cpuset->place.base, parent_of(cpuset->place.relative));
    write(v1_settings(resources));
    if (cpuset != nullptr) inherit_cpuset(cpuset->place.base, cpuset->place.relative);
    const Member* devices = find("devices");
    const int error = filter_devices(
        resources.devices, {devices != nullptr && devices->is_new, resources.devices.empty()});
    filters_devices_ = error == 0;
    if (error != 0 && !can_go_unfiltered(resources.devices, error)) refuse_devices(error);
    is_made_ = true;
  }

  void adopt(const CgroupHierarchy& hierarchy, const CgroupPlace& place, Fd directory) {
    members_.push_back(Member{place, hierarchy.controllers, std::move(directory), {}, false});
    is_kept_ = true;
  }

  void apply(const Resources& resources) override {
    write(v1_settings(resources));
    if (resources.devices.empty()) return;
    if (const int error = filter_devices(resources.devices, {})) refuse_devices(error);
    filters_devices_ = true;
  }

  std::vector<int> join_files() const override {
    std::vector<int> files;
    for (const Member& member : members_) {
      if (!member.tasks) member.tasks = open_at(member.directory.get(), "tasks", O_WRONLY);
      files.push_back(member.tasks.get());
    }
    return files;
  }

  int clone_directory() const noexcept override { return -1; }

  std::vector<CgroupView> views() const override {
    std::vector<CgroupView> all;
    for (const Member& member : members_) {
      CgroupView view;
      for (const std::string& controller : member.controllers) {
        const std::string_view name = controller;
        if (!view.name.empty()) view.name += ',';
        view.name += name.starts_with(kName) ? name.substr(kName.size()) : name;
      }
      if (member.controllers.size() > 1) view.aliases = member.controllers;
      view.directory = member.directory.get();
      all.push_back(std::move(view));
    }
    return all;
  }

  bool filters_devices() const noexcept override { return filters_devices_; }

  bool out_of_memory() const noexcept override { return oom_kills() > oom_kills_before_; }

  std::vector<std::string> directories() const override {
    std::vector<std::string> all;
    for (const Member& member : members_)
      all.push_back(member.place.path());
    return all;
  }

  CgroupStats stats() const override {
    CgroupStats stats;
    for (const Member& member : members_) {
      for (const std::string& controller : member.controllers)
        add_stats_v1(member.directory.get(), controller, stats);
    }
    return stats;
  }

  void freeze() override {
    const Member& member = freezer("freezing");
    freeze_v1(member.directory.get(), member.place.path());
  }
  void thaw() override {
    const Member& member = freezer("thawing");
    thaw_v1(member.directory.get(), member.place.path());
  }
  bool frozen() const override {
    const Member* member = find("freezer");
    return member != nullptr && is_frozen_v1(member->directory.get());
  }

  std::vector<pid_t> processes() const override {
    if (members_.empty()) return {};
    return list_processes(process_directory());
  }

  void signal_all(int signal_number) override {
    if (members_.empty()) return;
    if (signal_number != SIGKILL) {
      signal_processes(process_directory(), signal_number);
    } else {
      kill_v1(process_directory(), find("freezer") != nullptr, Deadline(kRemoveSeconds));
    }
  }

  void keep() noexcept override { is_kept_ = true; }

  bool remove() noexcept override {
    if (members_.empty()) return true;
    const Deadline deadline(kRemoveSeconds);
    kill_v1(process_directory(), find("freezer") != nullptr, deadline);
    bool is_gone = true;
    for (const Member& member : members_)
      is_gone = remove_cgroup_directory(member.place, deadline) && is_gone;
    members_.clear();
    return is_gone;
  }

 private:
  SettingTarget target_of(const CgroupSetting& setting) const override {
    const Member* member = find(setting.controller);
    if (member == nullptr) return {};
    return {member->directory.get(), member->place.path()};
  }

  Error explain_absence(const CgroupSetting& setting, const SettingTarget& target) const override {
    if (target.directory < 0) {
      return {Errc::Unsupported,
              fmt::format("limiting {}: this system has no usable cgroup controller {}",
                          setting.limit, quoted(setting.controller))};
    }
    return {Errc::Unsupported,
            fmt::format("limiting {}: this kernel's cgroup controller {} has no {}", setting.limit,
                        quoted(setting.controller), quoted(setting.file))};
  }

  int filter_devices(const std::vector<Resources::DeviceRule>& rules, const FilterMode& mode) {
    const Member* member = find("devices");
    if (member == nullptr) return ENOENT;
    return filter_devices_v1(member->directory.get(), device_filter(rules), mode);
  }

  [[noreturn]] void refuse_devices(int error) const {
    const Member* member = find("devices");
    if (member == nullptr) {
      fail(Errc::Unsupported, "filtering devices: this system has no usable cgroup controller {}",
           quoted("devices"));
    }
    fail_errno(error, "filtering devices in cgroup {}", quoted(member->place.path()));
  }

  std::uint64_t oom_kills() const noexcept {
    const Member* member = find("memory");
    if (member == nullptr) return 0;
    return keyed_number(member->directory.get(), "memory.oom_control", "oom_kill");
  }

  const Member* find(std::string_view controller) const noexcept {
    for (const Member& member : members_) {
      if (member.has(controller)) return &member;
    }
    return nullptr;
  }

  void remove_new() noexcept {
    for (const Member& member : members_)
      if (member.is_new) remove_cgroup_directory(member.place, Deadline(0));
  }

  const Member& freezer(const char* doing) const {
    const Member* member = find("freezer");
    if (member != nullptr) return *member;
    fail(Errc::Unsupported, "{} the container: this system has no usable cgroup controller {}",
         doing, quoted("freezer"));
  }

  /// Where processes are listed: every hierarchy has the same ones. REQUIRES: there is one.
  int process_directory() const noexcept {
    const Member* member = find("freezer");
    return (member != nullptr ? *member : members_.front()).directory.get();
  }

  std::vector<Member> members_;
  std::uint64_t oom_kills_before_ = 0;  ///< of somebody else
  bool filters_devices_ = false;
  bool is_made_ = false;
  bool is_kept_ = false;
};

/// A user who may not make cgroups runs without, as long as no limit needs one.
bool may_be_left_out(const Error& error) {
  return error.sys_errno() == EACCES || error.sys_errno() == EPERM || error.sys_errno() == EROFS;
}

}  // namespace

std::unique_ptr<Cgroup> make_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context) {
  auto cgroup = std::make_unique<CgroupV1>();
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    try {
      cgroup->create(hierarchy, CgroupPlace{hierarchy.mount_point, path});
    } catch (const Error& error) {
      if (!may_be_left_out(error)) throw;
      context.warn(error.message());
    }
  }
  cgroup->set_up(resources);
  return cgroup;
}

std::unique_ptr<Cgroup> find_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const std::string& nested,
                                       const IsOurs& is_ours) {
  auto cgroup = std::make_unique<CgroupV1>();
  bool is_found = false;
  const std::string whole = nested.empty() ? path : fmt::format("{}/{}", path, nested);
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    CgroupPlace place{hierarchy.mount_point, whole};
    if (!is_ours(place.path())) continue;
    std::optional<Fd> directory = open_cgroup_directory(place);
    if (directory) {
      is_found = true;
    } else if (!nested.empty()) {
      place.relative = path;
      directory = open_cgroup_directory(place);
    }
    if (directory) cgroup->adopt(hierarchy, place, std::move(*directory));
  }
  if (!is_found) return nullptr;
  return cgroup;
}

}  // namespace layerkit::runner
