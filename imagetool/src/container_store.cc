#include "layerkit/imagetool/container_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "container_info.h"
#include "container_names.h"
#include "container_network.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_pause.h"
#include "layerkit/runner/container_cgroup.h"
#include "time_format.h"

namespace layerkit {
namespace {

constexpr char kContainersDir[] = "containers";
constexpr char kLockFile[] = ".lock";
constexpr char kConfigFile[] = "config.json";
constexpr char kStateFile[] = "state.json";
constexpr char kStateLock[] = "state.lock";
constexpr char kNewPrefix[] = ".new-";
constexpr char kRemovingPrefix[] = ".removing-";
constexpr std::size_t kMaxRecordBytes = 16 << 20;
constexpr std::size_t kIdDigits = 64;

bool is_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && is_hex(text);
}

/// nullopt when the record or the file went away meanwhile.
std::optional<std::string> read_record_file(int containers,
                                            const std::string& id,
                                            const char* file) {
  try {
    const Fd record = open_dir_at(containers, id);
    return read_file_at(record.get(), file, kMaxRecordBytes);
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

std::optional<ContainerInfo> read_record(int containers, const std::string& id) {
  return with_context([&] { return "reading container " + id; },
                      [&]() -> std::optional<ContainerInfo> {
                        const auto bytes = read_record_file(containers, id, kConfigFile);
                        if (!bytes) return std::nullopt;
                        return parse_container_info(*bytes);
                      });
}

std::optional<ContainerState> read_state(int containers, const std::string& id) {
  return with_context([&] { return "reading container " + id; },
                      [&]() -> std::optional<ContainerState> {
                        const auto bytes = read_record_file(containers, id, kStateFile);
                        if (!bytes) return std::nullopt;
                        return parse_container_state(*bytes);
                      });
}

void write_extra(int directory, const RecordFile& extra) {
  const Fd file = open_at(directory, extra.name, O_WRONLY | O_CREAT | O_EXCL, extra.mode);
  write_all(file.get(), extra.contents, extra.name);
  if (::fchmod(file.get(), extra.mode) != 0)
    fail_errno(errno, "changing the mode of {}", quoted(extra.name));
}

bool is_other(const std::optional<ProcessIdentity>& process,
              const std::optional<ProcessIdentity>& previous) {
  return process && process != previous && is_alive(*process) && *process != own_identity();
}

/// Why nobody may start or remove it now; empty: somebody may.
std::string claim_problem(const ContainerState& state,
                          ContainerStore::Use use,
                          const std::optional<ProcessIdentity>& previous) {
  if (is_other(state.claimed_by, previous)) {
    return fmt::format("process {} is starting or removing it", state.claimed_by->pid);
  }
  if (use == ContainerStore::Use::Any) return {};
  if (state.status == ContainerStatus::Running) return "it is running";
  if (state.status != ContainerStatus::Created || !state.monitor) return {};
  if (is_other(state.monitor, previous)) {
    return fmt::format("process {} is creating or starting it", state.monitor->pid);
  }
  return {};
}

bool any_alive(const ContainerState& state) {
  return (state.init && is_alive(*state.init)) || (state.monitor && is_alive(*state.monitor));
}

}  // namespace

std::string cgroups_path_of(const ContainerInfo& record) {
  const std::string& parent = record.options.cgroup_parent;
  return (parent.empty() ? "layerkit" : parent) + "/" + record.id;
}

ContainerStore::ContainerStore(ImageStore& images)
    : images_(images), root_(images.root() + "/" + kContainersDir) {
  make_dirs(root_, 0700);
  dir_ = open_dir_at(AT_FDCWD, root_);
}

FileLock ContainerStore::lock() const {
  return FileLock(dir_.get(), kLockFile, LockKind::Exclusive);
}

std::vector<std::string> ContainerStore::names_in_directory(std::string_view prefix) const {
  std::vector<std::string> ids;
  for (const auto& entry : list_dir(dir_.get())) {
    const std::string_view name = entry.name;
    if (name.starts_with(prefix) && is_id(name.substr(prefix.size()))) {
      ids.emplace_back(name.substr(prefix.size()));
    }
  }
  return ids;
}

ContainerInfo ContainerStore::create(ContainerInfo draft, const std::vector<RecordFile>& files) {
  if (!draft.name.empty()) check_container_name(draft.name);
  const FileLock held = lock();
  // Whatever is half-made while we hold the lock was left by somebody who died with it.
  for (const auto& id : names_in_directory(kNewPrefix))
    remove_tree_at(dir_.get(), kNewPrefix + id);
  const auto existing = list();
  const auto holder = [&](const std::string& name) {
    return std::find_if(existing.begin(), existing.end(), [&](const ContainerInfo& other) {
      return other.name == name || other.id == name;
    });
  };
  if (draft.name.empty()) {
    draft.name = make_container_name(
        [&](const std::string& name) { return holder(name) != existing.end(); });
  } else if (const auto other = holder(draft.name); other != existing.end()) {
    fail(Errc::Exists,
         "the container name {} is already in use by container {}; remove or rename that one",
         layerkit::quoted(draft.name), other->id);
  }
  if (draft.id.empty()) draft.id = random_hex(kIdDigits);
  write_record(draft, files);
  return draft;
}

void ContainerStore::write_record(const ContainerInfo& record,
                                  const std::vector<RecordFile>& files) {
  const std::string staging = kNewPrefix + record.id;
  make_dir_at(dir_.get(), staging, 0700);
  try {
    const Fd directory = open_dir_at(dir_.get(), staging);
    for (const auto& file : files)
      write_extra(directory.get(), file);
    write_file_at(directory.get(), "log", "", 0640);
    ContainerState state;
    state.monitor = own_identity();
    replace_file_at(directory.get(), kStateFile, format_container_state(state), 0600);
    replace_file_at(directory.get(), kConfigFile, format_container_info(record), 0600);
    rename_noreplace_at(dir_.get(), staging, dir_.get(), record.id);
    sync_fd(dir_.get(), root_);
  } catch (const Error&) {
    remove_tree_at(dir_.get(), staging);
    throw;
  }
}

void ContainerStore::end_creation(const std::string& id) {
  update_state(id, [](ContainerState& state) { state.monitor.reset(); });
}

void ContainerStore::rename(const std::string& id, const std::string& new_name) {
  check_container_name(new_name);
  const FileLock held = lock();
  for (const auto& other : list()) {
    if (other.id == id && other.name == new_name)
      fail(Errc::Invalid, "Renaming a container with the same name as its current name");
    if (other.name == new_name || other.id == new_name) {
      fail(Errc::Exists,
           "the container name {} is already in use by container {}; remove or rename that one",
           layerkit::quoted(new_name), other.id);
    }
  }
  auto record = read_record(dir_.get(), id);
  if (!record) fail(Errc::NotFound, "No such container: {}", id);
  record->name = new_name;
  replace_file_at(directory(id).get(), kConfigFile, format_container_info(*record), 0600);
}

std::vector<ContainerInfo> ContainerStore::list() const {
  std::vector<ContainerInfo> records;
  for (const auto& id : names_in_directory("")) {
    if (auto record = read_record(dir_.get(), id)) records.push_back(std::move(*record));
  }
  const auto created = [](const ContainerInfo& record) {
    return parse_rfc3339(record.created).value_or(Timestamp{});
  };
  std::sort(records.begin(), records.end(), [&](const auto& a, const auto& b) {
    return std::pair(created(b), a.id) < std::pair(created(a), b.id);
  });
  return records;
}

ContainerInfo ContainerStore::find(std::string_view name_or_id) const {
  std::vector<ContainerInfo> by_prefix;
  for (auto& record : list()) {
    if (record.name == name_or_id || record.id == name_or_id) return record;
    if (is_hex(name_or_id) && record.id.starts_with(name_or_id)) {
      by_prefix.push_back(std::move(record));
    }
  }
  if (by_prefix.empty()) fail(Errc::NotFound, "No such container: {}", escaped(name_or_id));
  if (by_prefix.size() > 1) {
    fail(Errc::Invalid, "{} is ambiguous: {} containers start with it", name_or_id,
         by_prefix.size());
  }
  return std::move(by_prefix.front());
}

std::optional<ContainerState> ContainerStore::state(const std::string& id) const {
  auto state = read_state(dir_.get(), id);
  if (!state || state->status != ContainerStatus::Running || any_alive(*state)) return state;
  // Between reading the file and looking at the processes the monitor may have written the end.
  state = read_state(dir_.get(), id);
  if (state && state->status == ContainerStatus::Running) {
    state->status = ContainerStatus::Exited;
    state->exit_code = kUnknownExitCode;
    state->init.reset();
    state->monitor.reset();
  }
  return state;
}

std::optional<ContainerState> ContainerStore::full_state(const ContainerInfo& container) const {
  auto found = state(container.id);
  if (found && found->status == ContainerStatus::Running) found->paused = is_paused(container);
  return found;
}

void ContainerStore::set_state(const std::string& id, const ContainerState& state) {
  with_context([&] { return "recording the state of container " + id; },
               [&] {
                 const Fd record = directory(id);
                 replace_file_at(record.get(), kStateFile, format_container_state(state), 0600);
               });
}

FileLock ContainerStore::lock_state(const Fd& record) const {
  return FileLock(record.get(), kStateLock, LockKind::Exclusive);
}

bool ContainerStore::update_state(const std::string& id,
                                  const std::function<void(ContainerState&)>& change) {
  const auto record = open_at_if_exists(dir_.get(), id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!record) return false;
  const FileLock held = lock_state(*record);
  auto state = read_state(dir_.get(), id);
  if (!state) return false;
  change(*state);
  set_state(id, *state);
  return true;
}

void ContainerStore::claim(const ContainerInfo& container,
                           Use use,
                           const std::optional<ProcessIdentity>& previous) {
  const bool is_there = update_state(container.id, [&](ContainerState& state) {
    if (state.status == ContainerStatus::Running && !any_alive(state))
      write_down_end(container, state);
    const std::string problem = claim_problem(state, use, previous);
    if (!problem.empty()) fail(Errc::Busy, "container {}: {}", container.name, problem);
    state.claimed_by = own_identity();
  });
  if (!is_there) fail(Errc::NotFound, "No such container: {}", container.name);
}

void ContainerStore::release_claim(const std::string& id) {
  update_state(id, [](ContainerState& state) {
    if (state.claimed_by == own_identity()) state.claimed_by.reset();
  });
}

bool ContainerStore::is_claimed(const ContainerState& state) {
  return state.claimed_by && is_alive(*state.claimed_by);
}

Fd ContainerStore::directory(const std::string& id) const {
  return open_dir_at(dir_.get(), id);
}

std::string ContainerStore::path(const std::string& id) const {
  return root_ + "/" + id;
}

void ContainerStore::remove(const std::string& id) {
  release_network(*this, id, Context());  // of what nobody ended before
  {
    const FileLock held = lock();
    if (!stat_at(dir_.get(), id)) return;
    rename_noreplace_at(dir_.get(), id, dir_.get(), kRemovingPrefix + id);
  }
  finish_removal(id);
}

void ContainerStore::finish_removal(const std::string& id) {
  const std::string name = kRemovingPrefix + id;
  auto record = open_at_if_exists(dir_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!record) return;
  // Held by whoever removes this record; when it died the lock is free and we go on.
  const auto removing = FileLock::try_lock(std::move(*record), LockKind::Exclusive);
  if (!removing) return;
  with_context([&] { return "removing container " + id; },
               [&] {
                 if (images_.layers().has_container(id)) images_.layers().remove_container(id);
                 remove_tree_at(dir_.get(), name);
               });
}

void ContainerStore::clean() {
  for (const auto& id : names_in_directory(kRemovingPrefix))
    finish_removal(id);
  for (const auto& record : list())
    clean_one(record);
}

/// Of a container that runs no more although its state says so: nobody has seen its end.
void ContainerStore::write_down_end(const ContainerInfo& record, ContainerState& state) {
  remove_container_cgroups(cgroups_path_of(record));
  release_network(*this, record.id, Context());
  state.status = ContainerStatus::Exited;
  state.exit_code = kUnknownExitCode;
  state.init.reset();
  state.monitor.reset();
  state.finished_at = format_rfc3339(current_time());
}

void ContainerStore::clean_one(const ContainerInfo& record) {
  const auto written = read_state(dir_.get(), record.id);
  if (!written || any_alive(*written)) return;
  if (written->status == ContainerStatus::Running) {
    update_state(record.id, [&](ContainerState& state) {
      if (state.status == ContainerStatus::Running && !any_alive(state))
        write_down_end(record, state);
    });
  }
  if (!record.options.auto_remove) return;
  const auto state = read_state(dir_.get(), record.id);
  if (!state || any_alive(*state) || is_claimed(*state)) return;
  const bool waits_for_start = state->status == ContainerStatus::Created && !state->monitor;
  if (!waits_for_start) remove(record.id);
}

std::vector<std::string> containers_of_image(ImageStore& images, const ImageId& image) {
  std::vector<std::string> names;
  for (const auto& record : ContainerStore(images).list()) {
    if (record.image == image) names.push_back(record.name);
  }
  return names;
}

}  // namespace layerkit
