#include "aufs_plan.h"

#include <algorithm>

#include "backend_limits.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {
namespace {

/// AUFS takes every byte but a comma for part of the path.
std::string inode_table_option(const AufsSettings& settings) {
  if (!settings.inode_table || settings.inode_table_path.empty()) return {};
  if (settings.inode_table_path.find(',') != std::string::npos)
    fail(Errc::Unsupported,
         "the path {} for the inode table contains a comma, which aufs cannot read",
         quoted(settings.inode_table_path));
  return "xino=" + settings.inode_table_path;
}

std::string settings_data(AufsSettings settings) {
  const std::string inode_table = inode_table_option(settings);
  settings.inode_table_path.clear();
  std::string data;
  const auto add = [&data](std::string_view option) {
    if (option.empty()) return;
    if (!data.empty()) data += ',';
    data += option;
  };
  add(format_settings(settings));
  // In the kernel alone ACLs are off where nothing is said.
  add(settings.acl ? "acl" : "");
  add(inode_table);
  return data;
}

std::string branch_data(const Branch& branch) {
  return proc_fd_path(branch.directory.get()) + '=' +
         format_permission(branch.access, branch.attributes);
}

/// The data of one call of mount(2), filled up to what the kernel takes.
class CallData final {
 public:
  CallData(std::string data, std::size_t options, std::size_t max_bytes)
      : data_(std::move(data)), options_(options), max_bytes_(max_bytes) {}

  /// False when it is full.
  bool add_branch(std::string_view separator, const std::string& branch) {
    if (options_ == kMaxAufsOptions || data_.size() + separator.size() + branch.size() > max_bytes_)
      return false;
    data_.append(separator).append(branch);
    ++options_;
    return true;
  }

  std::string take() && { return std::move(data_); }

 private:
  std::string data_;
  std::size_t options_;
  std::size_t max_bytes_;
};

/// Adds branches from `next` on and returns the first that did not fit.
std::size_t fill(CallData& call,
                 std::string_view first_separator,
                 std::string_view separator,
                 const std::vector<Branch>& branches,
                 std::size_t next) {
  const std::size_t first = next;
  while (next < branches.size() &&
         call.add_branch(next == first ? first_separator : separator, branch_data(branches[next])))
    ++next;
  if (next == first)
    fail(Errc::Limit, "the options leave no room for branch {} in what mount(2) takes", first);
  return next;
}

void check_spec(const UnionSpec& spec) {
  if (spec.branches.empty()) fail(Errc::Invalid, "an aufs needs a branch");
  if (spec.whiteouts == WhiteoutFormat::Overlay)
    fail(Errc::Unsupported, "aufs does not know the whiteouts of overlayfs");
  fail_if_overlay_only(spec, "aufs");
  fail_if_owners_are_mapped(spec, "aufs");
}

}  // namespace

AufsPlan plan_aufs(const UnionSpec& spec, std::size_t max_bytes) {
  check_spec(spec);
  AufsPlan plan;
  const std::string settings = settings_data(spec.aufs);
  const auto commas = static_cast<std::size_t>(std::count(settings.begin(), settings.end(), ','));
  CallData first(settings, settings.empty() ? 0 : commas + 1, max_bytes);
  std::size_t next = fill(first, settings.empty() ? "br:" : ",br:", ":", spec.branches, 0);
  plan.mount_data = std::move(first).take();
  while (next < spec.branches.size()) {
    CallData more({}, 0, max_bytes);
    next = fill(more, "append:", ",append:", spec.branches, next);
    plan.remount_data.push_back(std::move(more).take());
  }
  const bool writable = std::any_of(spec.branches.begin(), spec.branches.end(),
                                    [](const Branch& branch) { return branch.writable(); });
  plan.attributes = {
      .read_only = spec.read_only || !writable, .no_suid = spec.no_suid, .no_dev = spec.no_dev};
  return plan;
}

std::optional<std::size_t> branch_named_in(std::string_view message, const UnionSpec& spec) {
  for (std::size_t i = 0; i < spec.branches.size(); ++i) {
    const std::string name = proc_fd_path(spec.branches[i].directory.get());
    const std::size_t at = message.find(name);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = message.substr(at + name.size());
    if (rest.empty() || rest.front() < '0' || rest.front() > '9') return i;
  }
  return std::nullopt;
}

bool lists_file_system(std::string_view file_systems, std::string_view type) {
  for (const std::string_view line : split(file_systems, '\n')) {
    const std::size_t tab = line.rfind('\t');  // "nodev\ttype" or "\ttype"
    if (tab != std::string_view::npos && line.substr(tab + 1) == type) return true;
  }
  return false;
}

}  // namespace layerkit
