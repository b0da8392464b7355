#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr int kRemoveSeconds = 5;

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
  mutable Fd tasks;  ///< opened when somebody is to join
  bool is_new = false;

  bool has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
  }
};

class CgroupV1 final : public Cgroup {
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
      fail(Errc::Busy, "creating cgroup {}: it is frozen", quoted(place.path()));
    }
    if (member.has("devices")) filters_devices_ = limit_devices(member.directory.get());
  }

  void adopt(const CgroupHierarchy& hierarchy, const CgroupPlace& place, Fd directory) {
    members_.push_back(Member{place, hierarchy.controllers, std::move(directory), {}, false});
    is_kept_ = true;
  }

  /// From now on it belongs to the container. Before, what was there already is not removed.
  void finish() noexcept { is_made_ = true; }

  void apply(const Resources& resources) override {
    for (const CgroupSetting& setting : v1_settings(resources))
      write(setting);
  }

  void write(const CgroupSetting& setting) {
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

  std::vector<std::string> directories() const override {
    std::vector<std::string> all;
    for (const Member& member : members_)
      all.push_back(member.place.path());
    return all;
  }

  CgroupStats stats() const override { return {}; }

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

  void remove() noexcept override {
    if (members_.empty()) return;
    const Deadline deadline(kRemoveSeconds);
    kill_v1(process_directory(), find("freezer") != nullptr, deadline);
    for (const Member& member : members_)
      remove_cgroup_directory(member.place, deadline);
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
  cgroup->apply(resources);
  cgroup->finish();
  return cgroup;
}

std::unique_ptr<Cgroup> find_cgroup_v1(const std::vector<CgroupHierarchy>& hierarchies,
                                       const std::string& path,
                                       const std::string& nested) {
  auto cgroup = std::make_unique<CgroupV1>();
  bool is_found = false;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    CgroupPlace place{hierarchy.mount_point, nested.empty() ? path : path + "/" + nested};
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
