#include "layerkit/imagetool/container_stats.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container_cgroup.h"
#include "process_columns.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxNetworkFile = 1 << 20;

/// Without page cache that nobody has used lately: docker's way, for both versions of cgroups.
std::uint64_t memory_in_use(const CgroupStats::Memory& memory) {
  for (const char* key : {"total_inactive_file", "inactive_file"}) {
    const auto found = memory.raw.find(key);
    if (found == memory.raw.end()) continue;
    return memory.usage.usage > found->second ? memory.usage.usage - found->second : 0;
  }
  return memory.usage.usage;
}

std::uint64_t sum_of(const std::vector<CgroupStats::BlockIoEntry>& entries, std::string_view op) {
  std::uint64_t sum = 0;
  for (const auto& entry : entries) {
    if (entry.op == op) sum += entry.value;
  }
  return sum;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

bool has_own_network(pid_t pid) {
  struct stat own {};
  struct stat its {};
  const std::string path = fmt::format("/proc/{}/ns/net", pid);
  return ::stat("/proc/self/ns/net", &own) == 0 && ::stat(path.c_str(), &its) == 0 &&
         own.st_ino != its.st_ino;
}

/// /proc/PID/net/dev: proc(5).
void add_network(pid_t pid, ContainerSample& sample) {
  const auto file = open_at_if_exists(AT_FDCWD, fmt::format("/proc/{}/net/dev", pid), O_RDONLY);
  if (!file || !has_own_network(pid)) return;
  FdSource source(file->get(), "net/dev");
  const std::string text = read_all(source, kMaxNetworkFile, "net/dev");
  for (const std::string_view line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto names = words_of(line.substr(0, colon));
    const auto numbers = words_of(line.substr(colon + 1));
    if (names.empty() || names.front() == "lo" || numbers.size() < 9) continue;
    sample.received += parse_decimal(numbers[0]).value_or(0);
    sample.sent += parse_decimal(numbers[8]).value_or(0);
  }
}

/// Its state when it runs.
std::optional<ContainerState> running_state(const ContainerStore& store,
                                            const ContainerInfo& container) {
  auto state = store.state(container.id);
  if (state && state->status != ContainerStatus::Running) state.reset();
  return state;
}

std::optional<ContainerSample> take_sample(const ContainerInfo& container,
                                           const ContainerState& state) {
  const auto cgroup = find_container_cgroup(cgroups_path_of(container));
  if (cgroup == nullptr) return std::nullopt;
  const CgroupStats stats = cgroup->stats();
  const std::uint64_t all_memory = read_machine().memory_bytes;
  ContainerSample sample;
  sample.at_ns =
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  sample.cpu_ns = stats.cpu.usage.total;
  sample.memory = memory_in_use(stats.memory);
  const std::uint64_t limit = stats.memory.usage.limit;
  sample.memory_limit = limit == 0 || limit > all_memory ? all_memory : limit;
  sample.read = sum_of(stats.block_io.service_bytes, "Read");
  sample.written = sum_of(stats.block_io.service_bytes, "Write");
  sample.processes = stats.pids.current;
  // Without the controller.
  if (sample.processes == 0) sample.processes = cgroup->processes().size();
  if (state.init) {
    try {
      add_network(state.init->pid, sample);
    } catch (const Error&) {
      sample.received = sample.sent = 0;  // it has just ended
    }
  }
  return sample;
}

}  // namespace

std::optional<ContainerSample> sample_container(const ContainerStore& store,
                                                const ContainerInfo& container) {
  const auto state = running_state(store, container);
  if (!state) return std::nullopt;
  try {
    return take_sample(container, *state);
  } catch (const Error&) {
    // Its cgroup goes with it, also while it is read.
    if (!running_state(store, container)) return std::nullopt;
    throw;
  }
}

double cpu_percent_between(const ContainerSample& before, const ContainerSample& after) {
  if (after.at_ns <= before.at_ns || after.cpu_ns < before.cpu_ns) return 0;
  return 100 * static_cast<double>(after.cpu_ns - before.cpu_ns) /
         static_cast<double>(after.at_ns - before.at_ns);
}

}  // namespace layerkit
