#include "cgroup_settings.h"

#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

std::string number_in(int directory, const char* file) {
  std::string text = read_control(directory, file).value_or("?");
  while (text.ends_with('\n'))
    text.pop_back();
  return text;
}

}  // namespace

int SettingWriter::try_write(const CgroupSetting& setting, const SettingTarget& target) const {
  if (target.directory < 0) return ENOENT;
  const int error = write_control(target.directory, setting.file, setting.value);
  if (error != ENOENT || setting.other_file.empty()) return error;
  return write_control(target.directory, setting.other_file, setting.other_value);
}

void SettingWriter::refuse(const CgroupSetting& setting,
                           const SettingTarget& target,
                           int error) const {
  if (error == ENOENT) throw explain_absence(setting, target);
  if (setting.is_unified) {
    fail_errno(error, "unable to set unified resource \"{}\" to {}", escaped(setting.file),
               quoted(setting.value));
  }
  if (error == EBUSY && setting.file == "memory.limit_in_bytes") {
    fail(Errc::Busy,
         "limiting memory: unable to set memory limit to {} (current usage: {}, peak usage: {})",
         setting.value, number_in(target.directory, "memory.usage_in_bytes"),
         number_in(target.directory, "memory.max_usage_in_bytes"));
  }
  fail_errno(error, "limiting {}: writing {} to {}", setting.limit, quoted(setting.value),
             quoted(target.path + "/" + setting.file));
}

void SettingWriter::write(const std::vector<CgroupSetting>& settings) const {
  std::vector<const CgroupSetting*> waiting;
  for (const CgroupSetting& setting : settings) {
    const SettingTarget target = target_of(setting);
    const int error = try_write(setting, target);
    if (error == 0 || (error == ENOENT && !setting.required)) continue;
    if (error != EINVAL || !setting.may_wait) refuse(setting, target, error);
    waiting.push_back(&setting);
  }
  for (const CgroupSetting* setting : waiting) {
    const SettingTarget target = target_of(*setting);
    if (const int error = try_write(*setting, target)) refuse(*setting, target, error);
  }
}

}  // namespace layerkit::runner
