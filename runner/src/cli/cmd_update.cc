#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/size_text.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/oci_config.h"

namespace layerkit::cli {
namespace {

struct Arguments {
  std::string id;
  std::string file;
  std::optional<std::uint16_t> block_io_weight;
  std::optional<std::uint64_t> cpu_period;
  std::optional<std::int64_t> cpu_quota;
  std::optional<std::uint64_t> cpu_burst;
  std::optional<std::uint64_t> cpu_share;
  std::optional<std::uint64_t> cpu_rt_period;
  std::optional<std::int64_t> cpu_rt_runtime;
  std::optional<std::int64_t> cpu_idle;
  std::string cpus;
  std::string mems;
  std::string memory;
  std::string memory_reservation;
  std::string memory_swap;
  std::string kernel_memory;
  std::optional<std::int64_t> pids;
  std::string l3_cache;
  std::string memory_bandwidth;
};

Resources read_resources(const std::string& path, const Context& context) {
  if (path == "-") {
    FdSource source(STDIN_FILENO, "standard input");
    return read_oci_resources(read_all(source, kMaxOciConfig, "standard input"), context);
  }
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
  FdSource source(file.get(), path);
  return read_oci_resources(read_all(source, kMaxOciConfig, path), context);
}

/// "512M", "-1".
std::optional<std::int64_t> memory_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text == "-1") return -1;
  return static_cast<std::int64_t>(parse_size(text));
}

Resources resources_of(const Arguments& arguments) {
  Resources resources;
  resources.block_io.weight = arguments.block_io_weight;
  Resources::Cpu& cpu = resources.cpu;
  cpu.period = arguments.cpu_period;
  cpu.quota = arguments.cpu_quota;
  cpu.burst = arguments.cpu_burst;
  cpu.shares = arguments.cpu_share;
  cpu.realtime_period = arguments.cpu_rt_period;
  cpu.realtime_runtime = arguments.cpu_rt_runtime;
  cpu.idle = arguments.cpu_idle;
  cpu.cpus = arguments.cpus;
  cpu.mems = arguments.mems;
  resources.memory.limit = memory_of(arguments.memory);
  resources.memory.reservation = memory_of(arguments.memory_reservation);
  resources.memory.swap = memory_of(arguments.memory_swap);
  resources.pids_limit = arguments.pids;
  return resources;
}

void update(Session& session, const Arguments& arguments) {
  if (!arguments.l3_cache.empty() || !arguments.memory_bandwidth.empty())
    fail(Errc::Unsupported, "updating Intel RDT: not supported");
  const Resources resources = arguments.file.empty()
                                  ? resources_of(arguments)
                                  : read_resources(arguments.file, session.context);
  session.runtime().update(arguments.id, resources, session.context);
}

}  // namespace

void add_update(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("update", "Change the limits of a container")->group(kContainers);
  auto all = std::make_shared<Arguments>();
  add_container(*command, all->id);
  command
      ->add_option("-r,--resources", all->file,
                   "File with the limits as config.json has them, '-' for standard input, instead "
                   "of the options below")
      ->type_name("FILE");
  const auto add = [&](const char* name, auto& value, const char* text, const char* type) {
    command->add_option(name, value, text)->type_name(type);
  };
  add("--blkio-weight", all->block_io_weight, "Weight of block I/O, 10 to 1000", "WEIGHT");
  add("--cpu-period", all->cpu_period, "Period of the CPU quota", "MICROSECONDS");
  add("--cpu-quota", all->cpu_quota, "CPU time in each period; -1: unlimited", "MICROSECONDS");
  add("--cpu-burst", all->cpu_burst, "CPU time that may be saved for later periods",
      "MICROSECONDS");
  add("--cpu-share", all->cpu_share, "CPU shares, relative to other containers", "SHARES");
  add("--cpu-rt-period", all->cpu_rt_period, "Period of realtime scheduling", "MICROSECONDS");
  add("--cpu-rt-runtime", all->cpu_rt_runtime, "Realtime in each period", "MICROSECONDS");
  add("--cpu-idle", all->cpu_idle, "1: only CPU time that nobody else wants", "0|1");
  add("--cpuset-cpus", all->cpus, "CPUs to use: 0-2,7", "LIST");
  add("--cpuset-mems", all->mems, "Memory nodes to use", "LIST");
  add("--memory", all->memory, "Memory; -1: unlimited", "BYTES");
  add("--memory-reservation", all->memory_reservation, "Memory that is not taken away easily",
      "BYTES");
  add("--memory-swap", all->memory_swap, "Memory and swap together; -1: unlimited", "BYTES");
  add("--pids-limit", all->pids, "Number of processes; -1: unlimited", "NUMBER");
  command->add_option("--kernel-memory", all->kernel_memory, "Ignored: kernels have it no more")
      ->group(kHidden);
  command->add_option("--kernel-memory-tcp", all->kernel_memory, "Ignored")->group(kHidden);
  command->add_option("--l3-cache-schema", all->l3_cache, "Refused")->group(kHidden);
  command->add_option("--mem-bw-schema", all->memory_bandwidth, "Refused")->group(kHidden);
  command->callback([&session, all] { update(session, *all); });
}

}  // namespace layerkit::cli
