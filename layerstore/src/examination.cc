#include "layerkit/layerstore/examination.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver_layout.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {
namespace {

std::string_view type_name(FileType type) {
  switch (type) {
    case FileType::Regular:
      return "a regular file";
    case FileType::Directory:
      return "a directory";
    case FileType::Symlink:
      return "a symlink";
    case FileType::Fifo:
      return "a fifo";
    case FileType::Socket:
      return "a socket";
    default:
      return "a device";
  }
}

void set_mode(int dir_fd, const std::string& name, mode_t mode) {
  const Fd file = open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (::fchmod(file.get(), mode) != 0) {
    const int err = errno;
    fail_errno(err, "setting the mode of {}", quoted(name));
  }
}

void set_owner(int dir_fd, const std::string& name, std::uint32_t owner) {
  constexpr gid_t kKeep = static_cast<gid_t>(-1);
  if (::fchownat(dir_fd, name.c_str(), owner, kKeep, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "setting the owner of {}", quoted(name));
  }
}

void examine_attributes(Examination& examination,
                        const StoreGround& ground,
                        const FrameDir& parent,
                        const std::string& name,
                        const FileStat& stat,
                        std::optional<mode_t> mode) {
  if (stat.uid != ground.owner) {
    examination.found({"owner-wrong", parent.object(name),
                       fmt::format("it belongs to user {} instead of {}", stat.uid, ground.owner),
                       Severity::Damage, Mend::Repair},
                      [&] { set_owner(parent.fd, name, ground.owner); });
  }
  if (mode && stat.mode != *mode) {
    examination.found({"mode-wrong", parent.object(name),
                       fmt::format("its mode is {:04o} instead of {:04o}", stat.mode, *mode),
                       Severity::Damage, Mend::Repair},
                      [&] { set_mode(parent.fd, name, *mode); });
  }
}

}  // namespace

void Examination::found(Finding finding, const Fix& fix) {
  if (passing_scopes_ > 0) return found_passing(std::move(finding), fix);
  mend(finding, fix);
  lasting_.push_back(std::move(finding));
}

void Examination::found_passing(Finding finding, const Fix& fix) {
  mend(finding, fix);
  passing_.push_back(std::move(finding));
}

void Examination::mend(const Finding& finding, const Fix& fix) {
  if (!fix || !to_mend_ || !to_mend_->contains(finding.key())) return;
  try {
    fix();
  } catch (const Error& error) {
    if (error.code() == Errc::Interrupted) throw;
    context_.warn(
        fmt::format("mending {} ({}): {}", finding.object, finding.kind, error.message()));
  }
}

std::vector<Finding> look(const Context& context,
                          const std::function<void(Examination&)>& examine) {
  Examination first(context);
  examine(first);
  std::vector<Finding> findings = first.lasting();
  if (first.passing().empty()) return findings;
  Examination second(context);
  examine(second);
  const auto still = keys_of(second.passing());
  for (const Finding& finding : first.passing()) {
    if (still.contains(finding.key())) findings.push_back(finding);
  }
  return findings;
}

std::set<Examination::Key> keys_of(const std::vector<Finding>& findings) {
  std::set<Examination::Key> keys;
  for (const Finding& finding : findings)
    keys.insert(finding.key());
  return keys;
}

StoreGround StoreGround::of(int root) {
  for (const char* name : {store_file::kVersion, store_file::kOverlay, store_file::kAufs}) {
    if (const auto stat = stat_at(root, name)) return {root, stat->uid};
  }
  return {root, stat_fd(root).uid};
}

std::string StoreGround::records_of(const std::string& name) const {
  return records_place(find_driver(root).value_or(StoreDriver::Overlay2), name);
}

void StoreGround::set_aside(int dir_fd, const std::string& name) const {
  if (!stat_at(root, store_file::kDamaged)) make_exact_dir(root, store_file::kDamaged, 0700);
  const Fd damaged = open_dir_at(root, store_file::kDamaged);
  constexpr std::size_t kRandomDigits = 12;
  constexpr std::size_t kLongestName = 255 - 1 - kRandomDigits;
  rename_noreplace_at(dir_fd, name, damaged.get(),
                      name.substr(0, kLongestName) + "-" + random_hex(kRandomDigits));
  sync_fd(damaged.get(), store_file::kDamaged);
  sync_fd(root, store_file::kDamaged);
  sync_fd(open_dir_at(dir_fd, ".").get(), name);
}

void StoreGround::put_file(int dir_fd,
                           const std::string& name,
                           std::string_view text,
                           mode_t mode) const {
  const auto stat = stat_at(dir_fd, name);
  if (stat && stat->type == FileType::Directory) set_aside(dir_fd, name);
  replace_file_at(dir_fd, name, text, mode);
  set_mode(dir_fd, name, mode);
}

std::string FrameDir::object(const std::string& name) const {
  return escaped(path.empty() ? name : path + "/" + name);
}

std::optional<Fd> examine_directory(Examination& examination,
                                    const StoreGround& ground,
                                    const FrameDir& parent,
                                    const std::string& name,
                                    std::optional<mode_t> mode,
                                    IfAbsent if_absent) {
  const bool can_make = if_absent == IfAbsent::MakeEmpty;
  const auto make = [&] { make_exact_dir(parent.fd, name, mode.value_or(0755)); };
  const auto stat = stat_at(parent.fd, name);
  if (!stat) {
    examination.found({"directory-missing", parent.object(name), "the directory is missing",
                       Severity::Damage, can_make ? Mend::Repair : Mend::None},
                      can_make ? Examination::Fix(make) : Examination::Fix());
    return std::nullopt;
  }
  if (stat->type != FileType::Directory) {
    const auto replace = [&] {
      ground.set_aside(parent.fd, name);
      make();
    };
    examination.found({"wrong-type", parent.object(name),
                       fmt::format("it is {} instead of a directory", type_name(stat->type)),
                       Severity::Damage, can_make ? Mend::Repair : Mend::None},
                      can_make ? Examination::Fix(replace) : Examination::Fix());
    return std::nullopt;
  }
  examine_attributes(examination, ground, parent, name, *stat, mode);
  return open_dir_at(parent.fd, name);
}

void examine_file(Examination& examination,
                  const StoreGround& ground,
                  const FrameDir& parent,
                  const std::string& name,
                  mode_t mode) {
  const auto stat = stat_at(parent.fd, name);
  if (!stat || stat->type != FileType::Regular) return;
  examine_attributes(examination, ground, parent, name, *stat, mode);
}

void examine_names(Examination& examination,
                   const StoreGround& ground,
                   const FrameDir& directory,
                   const std::set<std::string>& known) {
  for (const DirEntry& entry : list_dir(directory.fd)) {
    if (known.contains(entry.name)) continue;
    examination.found({"unexpected-name", directory.object(entry.name),
                       "nothing of this name belongs here", Severity::Leftover, Mend::Repair},
                      [&] { ground.set_aside(directory.fd, entry.name); });
  }
}

SmallFile read_small_file(int dir_fd, const std::string& name, std::size_t max_bytes) {
  try {
    const auto stat = stat_at(dir_fd, name);
    if (!stat) return {};
    if (stat->type != FileType::Regular) {
      return {std::nullopt,
              fmt::format("it is {} instead of a regular file", type_name(stat->type))};
    }
    return {read_file_at(dir_fd, name, max_bytes), ""};
  } catch (const Error& error) {
    return {std::nullopt, error.message()};
  }
}

}  // namespace layerkit
