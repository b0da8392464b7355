#pragma once

#include <string_view>

#include "layerkit/runner/cgroup_stats.h"

namespace layerkit::runner {

/// Adds what the controllers of one v1 hierarchy count; `controller` is one of them.
void add_stats_v1(int directory, std::string_view controller, CgroupStats& stats);
CgroupStats stats_v2(int directory);

// What the files hold. Lines that are none are left out.

/// "0-2,5" of a cpuset.
std::vector<std::uint16_t> parse_cpu_list(std::string_view text);
/// "8:0 Read 4096" lines; the lines of sums have no device and are left out.
std::vector<CgroupStats::BlockIoEntry> parse_blkio(std::string_view text);
/// io.stat of v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4".
CgroupStats::BlockIo parse_io_stat(std::string_view text);
/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
CgroupStats::Pressure parse_pressure(std::string_view text);
/// "hugepages-2048kB" of /sys/kernel/mm/hugepages as the files of the controller say it: "2MB".
/// Empty for another name.
std::string hugepage_size(std::string_view directory_name);
/// Those of this system.
std::vector<std::string> hugepage_sizes();

}  // namespace layerkit::runner
