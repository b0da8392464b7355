#include "cli/receipt.h"

#include <fcntl.h>
#include <time.h>

#include <nlohmann/json.hpp>

#include "layerkit/base/file.h"

namespace layerkit::cli {
namespace {

std::int64_t microseconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

std::uint64_t bytes_of(const CgroupStats& stats, std::string_view operation) {
  std::uint64_t sum = 0;
  for (const auto& entry : stats.block_io.service_bytes) {
    if (entry.op == operation) sum += entry.value;
  }
  return sum;
}

}  // namespace

Receipt::Receipt(std::string path) : path_(std::move(path)), begin_(microseconds_now()) {}

void Receipt::started() {
  started_ = microseconds_now();
}

void Receipt::write(const ExitStatus& status,
                    bool timed_out,
                    const std::optional<CgroupStats>& stats) const {
  const std::int64_t end = microseconds_now();
  nlohmann::ordered_json receipt;
  receipt["exitCode"] = status.code;
  receipt["signal"] = status.signal;
  receipt["oomKilled"] = status.out_of_memory;
  receipt["timedOut"] = timed_out;
  receipt["memoryPeakBytes"] = nullptr;
  receipt["cpuNanoseconds"] = nullptr;
  receipt["ioBytes"] = nullptr;
  if (stats) {
    const auto& cpu = stats->cpu.usage;
    receipt["memoryPeakBytes"] = stats->memory.usage.max;
    receipt["cpuNanoseconds"] = {{"total", cpu.total}, {"user", cpu.user}, {"kernel", cpu.kernel}};
    receipt["ioBytes"] = {{"read", bytes_of(*stats, "Read")}, {"write", bytes_of(*stats, "Write")}};
  }
  receipt["wallMicroseconds"] = {
      {"start", started_ - begin_}, {"run", end - started_}, {"total", end - begin_}};
  const std::size_t slash = path_.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  const Fd fd = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  replace_file_at(fd.get(), name, receipt.dump(2) + "\n", 0644);
}

}  // namespace layerkit::cli
