#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr int kKillRounds = 2000;

/// Docker's device rules: mknod of anything (an image's package manager may), use of these only.
constexpr std::array<const char*, 10> kAllowedDevices = {"c *:* m",    "b *:* m",
                                                         "c 1:3 rwm",     // null
                                                         "c 1:5 rwm",     // zero
                                                         "c 1:7 rwm",     // full
                                                         "c 1:8 rwm",     // random
                                                         "c 1:9 rwm",     // urandom
                                                         "c 5:0 rwm",     // tty
                                                         "c 5:2 rwm",     // ptmx
                                                         "c 136:* rwm"};  // pts

struct Member {
  CgroupPlace place;
  std::vector<std::string> controllers;
  Fd directory;
  Fd tasks;

  bool has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
  }
};

class CgroupV1 final : public Cgroup {
 public:
  CgroupV1() = default;
  CgroupV1(const CgroupV1&) = delete;
  CgroupV1& operator=(const CgroupV1&) = delete;
  ~CgroupV1() override { remove(); }

  void create(const CgroupHierarchy& hierarchy, const CgroupPlace& place) {
    Member member{place, hierarchy.controllers, make_cgroup_directory(place), {}};
    try {
      member.tasks = open_at(member.directory.get(), "tasks", O_WRONLY);
    } catch (const Error&) {
      remove_cgroup_directory(place);
      throw;
    }
    if (member.has("devices")) filters_devices_ = limit_devices(member.directory.get());
    members_.push_back(std::move(member));
  }

  void adopt(const CgroupHierarchy& hierarchy, const CgroupPlace& place, Fd directory) {
    members_.push_back(Member{place, hierarchy.controllers, std::move(directory), {}});
  }

  bool empty() const noexcept { return members_.empty(); }

  void apply(const CgroupSetting& setting) {
    const Member* member = find(setting.controller);
    if (member == nullptr) {
      if (!setting.required) return;
      fail(Errc::Unsupported, "limiting {}: this system has no usable cgroup controller {}",
           setting.limit, quoted(setting.controller));
    }
    const int error = write_control(member->directory.get(), setting.file, setting.value);
    if (error == 0 || (error == ENOENT && !setting.required)) return;
    if (error == ENOENT) {
      fail(Errc::Unsupported, "limiting {}: this kernel's cgroup controller {} has no {}",
           setting.limit, quoted(setting.controller), quoted(setting.file));
    }
    fail_errno(error, "limiting {}: writing {} to {}", setting.limit, quoted(setting.value),
               quoted(member->place.path() + "/" + setting.file));
  }

  std::vector<int> join_files() const override {
    std::vector<int> files;
    for (const Member& member : members_)
      files.push_back(member.tasks.get());
    return files;
  }

  int clone_directory() const noexcept override { return -1; }

  std::vector<CgroupView> views() const override {
    std::vector<CgroupView> all;
    for (const Member& member : members_) {
      CgroupView view;
      for (const std::string& controller : member.controllers) {
        view.name += (view.name.empty() ? "" : ",") + controller;
      }
      if (member.controllers.size() > 1) view.aliases = member.controllers;
      view.directory = member.directory.get();
      all.push_back(std::move(view));
    }
    return all;
  }

  bool filters_devices() const noexcept override { return filters_devices_; }

  bool out_of_memory() const noexcept override {
    const Member* member = find("memory");
    return member != nullptr &&
           keyed_number(member->directory.get(), "memory.oom_control", "oom_kill") > 0;
  }

  void remove() noexcept override {
    if (members_.empty()) return;
    kill_all();
    for (const Member& member : members_)
      remove_cgroup_directory(member.place);
    members_.clear();
  }

 private:
  static bool limit_devices(int directory) {
    if (write_control(directory, "devices.deny", "a") != 0) return false;
    return std::all_of(kAllowedDevices.begin(), kAllowedDevices.end(), [&](const char* rule) {
      return write_control(directory, "devices.allow", rule) == 0;
    });
  }

  const Member* find(std::string_view controller) const noexcept {
    for (const Member& member : members_) {
      if (member.has(controller)) return &member;
    }
    return nullptr;
  }

  /// From the second round on, what is left is frozen while it is listed, so that nothing forks
  /// away; then thawed, since v1 keeps even SIGKILL from frozen processes.
  void kill_all() const noexcept {
    const Member* freezer = find("freezer");
    const int directory = (freezer != nullptr ? *freezer : members_.front()).directory.get();
    for (int round = 0; round < kKillRounds; ++round) {
      if (freezer != nullptr && round > 0) write_control(directory, "freezer.state", "FROZEN");
      const std::size_t killed = kill_processes(directory);
      if (killed == 0 && round == 0) return;
      if (freezer != nullptr) write_control(directory, "freezer.state", "THAWED");
      if (killed == 0) return;
      pause_briefly();
    }
  }

  std::vector<Member> members_;
  bool filters_devices_ = false;
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
  for (const CgroupSetting& setting : v1_settings(resources))
    cgroup->apply(setting);
  return cgroup;
}

std::unique_ptr<Cgroup> find_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path) {
  auto cgroup = std::make_unique<CgroupV1>();
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    const CgroupPlace place{hierarchy.mount_point, path};
    if (auto directory = open_cgroup_directory(place)) {
      cgroup->adopt(hierarchy, place, std::move(*directory));
    }
  }
  if (cgroup->empty()) return nullptr;
  return cgroup;
}

}  // namespace layerkit::runner
