#include <fcntl.h>
#include <signal.h>

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
constexpr const char* kSubtreeControl = "cgroup.subtree_control";

class CgroupV2 final : public Cgroup, private SettingWriter {
 public:
  CgroupV2(CgroupPlace place, MadeDirectory made)
      : place_(std::move(place)), directory_(std::move(made.fd)), is_new_(made.is_new) {}
  CgroupV2(const CgroupV2&) = delete;
  CgroupV2& operator=(const CgroupV2&) = delete;
  ~CgroupV2() override {
    // What was there before belongs to the container only once that is made.
    if (!is_kept_ && (is_new_ || is_made_)) remove();
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

  void set_up(const Resources& resources) {
    // Who is born in it would never start.
    if (frozen())
      fail(Errc::Busy, "creating cgroup {}: container's cgroup unexpectedly frozen",
           quoted(place_.path()));
    if (!is_new_) {
      // With controllers for cgroups inside it, it takes no process.
      disable_below();
      oom_kills_before_ = oom_kills();
    }
    write(v2_settings(resources));
    const int error = filter_devices_v2(directory_.get(), device_filter(resources.devices),
                                        {is_new_, resources.devices.empty()});
    filters_devices_ = error == 0;
    if (error != 0 && !can_go_unfiltered(resources.devices, error)) refuse_devices(error);
    is_made_ = true;
  }

  void apply(const Resources& resources) override {
    check_usage(resources.memory);
    write(v2_settings(with_current_quota(resources)));
    if (resources.devices.empty()) return;
    const int error = filter_devices_v2(directory_.get(), device_filter(resources.devices), {});
    if (error != 0) refuse_devices(error);
    filters_devices_ = true;
  }

  std::vector<int> join_files() const override { return {}; }
  int clone_directory() const noexcept override { return directory_.get(); }

  std::vector<CgroupView> views() const override {
    CgroupView view;
    view.directory = directory_.get();
    return {view};
  }

  bool filters_devices() const noexcept override { return filters_devices_; }

  bool out_of_memory() const noexcept override { return oom_kills() > oom_kills_before_; }

  std::vector<std::string> directories() const override { return {place_.path()}; }
  CgroupStats stats() const override { return stats_v2(directory_.get()); }

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

  bool remove() noexcept override {
    if (!directory_) return true;
    const Deadline deadline(kRemoveSeconds);
    kill_v2(directory_.get(), deadline);
    await_event_v2(directory_.get(), "populated", 0, deadline);
    directory_.reset();
    return remove_cgroup_directory(place_, deadline);
  }

 private:
  /// All at once; one by one where something is in the way.
  void enable_below(const std::string& path) {
    const std::optional<Fd> directory = open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    if (!directory) return;
    const std::string available = read_control(directory->get(), "cgroup.controllers").value_or("");
    const std::string enabled = read_control(directory->get(), kSubtreeControl).value_or("");
    std::vector<std::string> missing;
    std::string all;
    for (const std::string_view word : words_of(available)) {
      if (has_word(enabled, word)) continue;
      missing.push_back("+" + std::string(word));
      all += (all.empty() ? "" : " ") + missing.back();
    }
    if (missing.empty() || write_control(directory->get(), kSubtreeControl, all) == 0) return;
    for (const std::string& each : missing) {
      const int error = write_control(directory->get(), kSubtreeControl, each);
      if (error != 0 && refusal_.empty()) {
        refusal_ = fmt::format("enabling {} in {}: {}{}", quoted(each.substr(1)), quoted(path),
                               errno_text(error), error == EBUSY ? ", it holds processes" : "");
      }
    }
  }

  void disable_below() const {
    const std::string enabled = read_control(directory_.get(), kSubtreeControl).value_or("");
    for (const std::string_view word : words_of(enabled))
      write_control(directory_.get(), kSubtreeControl, "-" + std::string(word));
  }

  /// "checkBeforeUpdate" of the OCI runtime spec: the kernel would rather kill than refuse.
  void check_usage(const Resources::Memory& memory) const {
    if (!memory.check_before_update) return;
    const auto usage = number_file(directory_.get(), "memory.current");
    if (!usage) return;
    const auto check = [&](const std::optional<std::int64_t>& limit, const char* what) {
      if (limit && *limit > 0 && static_cast<std::uint64_t>(*limit) <= *usage)
        fail(Errc::Busy, "limiting memory: rejecting {} limit {} <= usage {}", what, *limit,
             *usage);
    };
    check(memory.swap, "memory+swap");
    check(memory.limit, "memory");
  }

  /// cpu.max takes no period without a quota.
  Resources with_current_quota(const Resources& resources) const {
    if (!unless_zero(resources.cpu.period) || unless_zero(resources.cpu.quota)) return resources;
    Resources completed = resources;
    const std::string now = read_control(directory_.get(), "cpu.max").value_or("max");
    const auto quota = parse_decimal(now.substr(0, now.find(' ')));
    completed.cpu.quota = quota ? static_cast<std::int64_t>(*quota) : -1;
    return completed;
  }

  SettingTarget target_of(const CgroupSetting&) const override {
    return {directory_.get(), place_.path()};
  }

  Error explain_absence(const CgroupSetting& setting, const SettingTarget&) const override {
    const std::string enabled = read_control(directory_.get(), "cgroup.controllers").value_or("");
    const bool has_controller =
        has_word(enabled, setting.controller) || setting.controller == "cgroup";
    const std::string why = refusal_.empty() ? "" : " (" + refusal_ + ")";
    if (setting.is_unified && !has_controller) {
      return {Errc::Unsupported,
              fmt::format("unified resource \"{}\" can't be set: controller \"{}\" not available{}",
                          escaped(setting.file), escaped(setting.controller), why)};
    }
    if (setting.is_unified) {
      return {Errc::Unsupported, fmt::format("unable to set unified resource \"{}\": no such file",
                                             escaped(setting.file))};
    }
    if (!has_controller) {
      return {Errc::Unsupported,
              fmt::format("limiting {}: cgroup controller {} is not available in {}{}",
                          setting.limit, quoted(setting.controller), quoted(place_.path()), why)};
    }
    return {Errc::Unsupported,
            fmt::format("limiting {}: this kernel's cgroup controller {} has no {}", setting.limit,
                        quoted(setting.controller), quoted(setting.file))};
  }

  [[noreturn]] void refuse_devices(int error) const {
    fail_errno(error, "filtering devices in cgroup {}", quoted(place_.path()));
  }

  std::uint64_t oom_kills() const noexcept {
    return keyed_number(directory_.get(), "memory.events", "oom_kill");
  }

  CgroupPlace place_;
  Fd directory_;
  std::string refusal_;                 ///< why a controller could not be enabled; the first reason
  std::uint64_t oom_kills_before_ = 0;  ///< of somebody else
  bool is_new_ = false;
  bool is_made_ = false;
  bool filters_devices_ = false;
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
    try {
      cgroup = std::make_unique<CgroupV2>(place, make_cgroup_directory(place));
    } catch (const Error& error) {
      if (!is_refusal(error)) throw;
      if (!refusal) refusal = error;
      continue;
    }
    cgroup->enable_controllers();
    cgroup->set_up(resources);
    return cgroup;
  }
  for (const CgroupSetting& setting : settings) {
    if (!setting.required) continue;
    fail(Errc::Unsupported, "limiting {}: {}", setting.limit, refusal->message());
  }
  context.warn(refusal->message());
  return make_cgroup_v1({}, path, {}, context);
}

std::unique_ptr<Cgroup> find_cgroup_v2(const CgroupHierarchy& hierarchy,
                                       const std::string& path,
                                       const IsOurs& is_ours) {
  for (const std::string& base : bases(hierarchy)) {
    const CgroupPlace place{base, path};
    if (!is_ours(place.path())) continue;
    if (auto directory = open_cgroup_directory(place)) {
      auto cgroup = std::make_unique<CgroupV2>(place, MadeDirectory{std::move(*directory), false});
      cgroup->keep();
      return cgroup;
    }
  }
  return nullptr;
}

}  // namespace layerkit::runner
