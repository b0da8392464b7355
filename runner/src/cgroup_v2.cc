#include <fcntl.h>
#include <signal.h>

#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::array<const char*, 3> kControllers = {"memory", "pids", "cpu"};
constexpr int kRemoveSeconds = 5;

class CgroupV2 final : public Cgroup {
 public:
  CgroupV2(CgroupPlace place, Fd directory)
      : place_(std::move(place)), directory_(std::move(directory)) {}
  CgroupV2(const CgroupV2&) = delete;
  CgroupV2& operator=(const CgroupV2&) = delete;
  ~CgroupV2() override {
    if (!is_kept_) remove();
  }

  /// Hands the controllers down from the base. A cgroup that holds processes refuses (EBUSY), and
  /// not every user may: what a limit needs is checked by apply().
  void enable_controllers() {
    std::string path = place_.base;
    enable_below(path);
    for (const std::string_view component : split(parent_of(place_.relative), '/')) {
      path += '/';
      path += component;
      enable_below(path);
    }
  }

  void apply(const Resources& resources) override {
    for (const CgroupSetting& setting : v2_settings(resources))
      write(setting);
  }

  void write(const CgroupSetting& setting) const {
    const std::string enabled = read_control(directory_.get(), "cgroup.controllers").value_or("");
    if (!has_word(enabled, setting.controller)) {
      if (!setting.required) return;
      fail(Errc::Unsupported, "limiting {}: cgroup controller {} is not available in {}{}",
           setting.limit, quoted(setting.controller), quoted(place_.path()),
           refusal_.empty() ? "" : " (" + refusal_ + ")");
    }
    const int error = write_control(directory_.get(), setting.file, setting.value);
    if (error == 0 || (error == ENOENT && !setting.required)) return;
    if (error == ENOENT) {
      fail(Errc::Unsupported, "limiting {}: this kernel's cgroup controller {} has no {}",
           setting.limit, quoted(setting.controller), quoted(setting.file));
    }
    fail_errno(error, "limiting {}: writing {} to {}", setting.limit, quoted(setting.value),
               quoted(place_.path() + "/" + setting.file));
  }

  std::vector<int> join_files() const override { return {}; }
  int clone_directory() const noexcept override { return directory_.get(); }

  std::vector<CgroupView> views() const override {
    CgroupView view;
    view.directory = directory_.get();
    return {view};
  }

  bool filters_devices() const noexcept override { return false; }

  bool out_of_memory() const noexcept override {
    return keyed_number(directory_.get(), "memory.events", "oom_kill") > 0;
  }

  std::vector<std::string> directories() const override { return {place_.path()}; }
  CgroupStats stats() const override { return {}; }

  void freeze() override { freeze_v2(directory_.get(), place_.path()); }
  void thaw() override { thaw_v2(directory_.get(), place_.path()); }
  bool frozen() const override { return is_frozen_v2(directory_.get()); }
  std::vector<pid_t> processes() const override { return list_processes(directory_.get()); }

  void signal_all(int signal_number) override {
    if (signal_number == SIGKILL) {
      kill_v2(directory_.get(), Deadline(kRemoveSeconds));
    } else {
      signal_processes(directory_.get(), signal_number);
    }
  }

  void keep() noexcept override { is_kept_ = true; }

  void remove() noexcept override {
    if (!directory_) return;
    const Deadline deadline(kRemoveSeconds);
    kill_v2(directory_.get(), deadline);
    await_event_v2(directory_.get(), "populated", 0, deadline);
    directory_.reset();
    remove_cgroup_directory(place_, deadline);
  }

 private:
  void enable_below(const std::string& path) {
    const std::optional<Fd> directory = open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    if (!directory) return;
    const std::string available = read_control(directory->get(), "cgroup.controllers").value_or("");
    const std::string enabled =
        read_control(directory->get(), "cgroup.subtree_control").value_or("");
    for (const char* controller : kControllers) {
      if (!has_word(available, controller) || has_word(enabled, controller)) continue;
      const int error =
          write_control(directory->get(), "cgroup.subtree_control", std::string("+") + controller);
      if (error != 0 && refusal_.empty()) {
        refusal_ = fmt::format("enabling {} in {}: {}{}", quoted(controller), quoted(path),
                               errno_text(error), error == EBUSY ? ", it holds processes" : "");
      }
    }
  }

  CgroupPlace place_;
  Fd directory_;
  std::string refusal_;  ///< why a controller could not be enabled; the first reason
  bool is_kept_ = false;
};

/// Where to try, in this order: the hierarchy's root as docker does; next to our own cgroup and
/// inside it, for users to whom a subtree is delegated.
std::vector<std::string> bases(const CgroupHierarchy& hierarchy) {
  std::vector<std::string> all = {hierarchy.mount_point};
  const std::string& own = hierarchy.own_path;
  // "/../x": our cgroup lies outside the cgroup namespace's root.
  if (own.empty() || own.find("..") != std::string::npos) return all;
  const std::string sibling = own.substr(0, own.rfind('/'));
  if (!sibling.empty()) all.push_back(hierarchy.mount_point + sibling);
  all.push_back(hierarchy.mount_point + own);
  return all;
}

bool is_refusal(const Error& error) {
  return error.sys_errno() == EACCES || error.sys_errno() == EPERM || error.sys_errno() == EROFS;
}

}  // namespace

std::unique_ptr<Cgroup> make_cgroup_v2(const CgroupHierarchy& hierarchy,
                                       const std::string& path,
                                       const Resources& resources,
                                       const Context& context) {
  const std::vector<CgroupSetting> settings = v2_settings(resources);
  std::optional<Error> refusal;
  for (const std::string& base : bases(hierarchy)) {
    const CgroupPlace place{base, path};
    std::unique_ptr<CgroupV2> cgroup;
    bool is_new = true;
    try {
      MadeDirectory made = make_cgroup_directory(place);
      is_new = made.is_new;
      cgroup = std::make_unique<CgroupV2>(place, std::move(made.fd));
    } catch (const Error& error) {
      if (!is_refusal(error)) throw;
      if (!refusal) refusal = error;
      continue;
    }
    cgroup->enable_controllers();
    // Who is born in it would never start.
    if (cgroup->frozen()) {
      if (!is_new) cgroup->keep();
      fail(Errc::Busy, "creating cgroup {}: it is frozen", quoted(place.path()));
    }
    cgroup->apply(resources);
    return cgroup;
  }
  for (const CgroupSetting& setting : settings) {
    if (!setting.required) continue;
    fail(Errc::Unsupported, "limiting {}: {}", setting.limit, refusal->message());
  }
  context.warn(refusal->message());
  return make_cgroup_v1({}, path, {}, context);
}

std::unique_ptr<Cgroup> find_cgroup_v2(const CgroupHierarchy& hierarchy, const std::string& path) {
  for (const std::string& base : bases(hierarchy)) {
    const CgroupPlace place{base, path};
    if (auto directory = open_cgroup_directory(place)) {
      auto cgroup = std::make_unique<CgroupV2>(place, std::move(*directory));
      cgroup->keep();
      return cgroup;
    }
  }
  return nullptr;
}

}  // namespace layerkit::runner
