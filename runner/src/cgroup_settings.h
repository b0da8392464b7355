#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/runner/resources.h"

namespace layerkit::runner {

/// One value to write for one limit.
struct CgroupSetting {
  std::string controller;
  std::string file;
  std::string value;
  std::string limit;         ///< for errors: "memory", "cpu quota", ...
  bool required = true;      ///< false: skipped where the file or controller is absent
  bool may_wait = false;     ///< when the kernel refuses it (EINVAL), it fits after the others
  std::string other_file{};  ///< where the kernel has it instead of `file`
  std::string other_value{};
  bool is_unified = false;  ///< the caller named the file
};

/// In the order in which they must be written. Throws Error for what there is no file for.
std::vector<CgroupSetting> v1_settings(const Resources& resources);
std::vector<CgroupSetting> v2_settings(const Resources& resources);
/// Those that are the same for both: processes, huge pages (limits in files with that suffix),
/// RDMA.
void add_shared_settings(const Resources& resources,
                         const std::string& hugepage_suffix,
                         std::vector<CgroupSetting>& settings);

/// cpu.weight (1..10000) for cpu.shares (2..262144): 1024 becomes 100.
std::uint64_t cpu_weight(std::uint64_t shares);
/// io.weight (1..10000) for blkio.weight (10..1000).
std::uint64_t io_weight(std::uint16_t weight);
/// The value, unless it is absent or 0, which is how tools that fill in every member say "not set".
template <typename Number>
std::optional<Number> unless_zero(const std::optional<Number>& value) {
  return value == Number{0} ? std::nullopt : value;
}
/// -1 as a number without a sign says "not set", too.
std::optional<std::uint64_t> swappiness_of(const Resources::Memory& memory);

/// Where a setting is to be written.
struct SettingTarget {
  int directory = -1;  ///< -1: there is no usable one
  std::string path;
};

/// Writes settings somewhere.
class SettingWriter {
 public:
  SettingWriter() = default;
  SettingWriter(const SettingWriter&) = delete;
  SettingWriter& operator=(const SettingWriter&) = delete;
  virtual ~SettingWriter() = default;

  /// In order; those that wait once more at the end. Throws Error at the first that fails.
  void write(const std::vector<CgroupSetting>& settings) const;

 protected:
  virtual SettingTarget target_of(const CgroupSetting& setting) const = 0;
  /// Why `target` lacks the file of `setting`.
  virtual Error explain_absence(const CgroupSetting& setting,
                                const SettingTarget& target) const = 0;

 private:
  int try_write(const CgroupSetting& setting, const SettingTarget& target) const;
  [[noreturn]] void refuse(const CgroupSetting& setting,
                           const SettingTarget& target,
                           int error) const;
};

}  // namespace layerkit::runner
