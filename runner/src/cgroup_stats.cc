#include "cgroup_stats.h"

#include <fcntl.h>
#include <fmt/core.h>

#include "cgroup_files.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

struct Device {
  std::uint64_t major;
  std::uint64_t minor;
};

std::optional<Device> parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_decimal(text.substr(0, colon));
  const auto minor = parse_decimal(text.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  return Device{*major, *minor};
}

struct Pair {
  std::string_view key;
  std::string_view value;
};

Pair cut(std::string_view text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

/// "12.34", in whatever locale the program runs.
double parse_percent(std::string_view text) {
  const auto [whole, fraction] = cut(text, '.');
  double value = static_cast<double>(parse_decimal(whole).value_or(0));
  double scale = 1;
  for (std::size_t i = 0; i < fraction.size(); ++i)
    scale *= 10;
  if (!fraction.empty()) value += static_cast<double>(parse_decimal(fraction).value_or(0)) / scale;
  return value;
}

CgroupStats::Stall parse_stall(const std::vector<std::string_view>& words) {
  CgroupStats::Stall stall;
  for (const std::string_view word : words) {
    const auto [key, value] = cut(word, '=');
    if (key == "avg10") stall.avg10 = parse_percent(value);
    if (key == "avg60") stall.avg60 = parse_percent(value);
    if (key == "avg300") stall.avg300 = parse_percent(value);
    if (key == "total") stall.total = parse_decimal(value).value_or(0);
  }
  return stall;
}

}  // namespace

std::vector<std::uint16_t> parse_cpu_list(std::string_view text) {
  std::vector<std::uint16_t> all;
  for (const std::string_view range : split(text.substr(0, text.find('\n')), ',')) {
    const auto [first_text, last_text] = cut(range, '-');
    const auto first = parse_decimal(first_text);
    const auto last = last_text.empty() ? first : parse_decimal(last_text);
    if (!first || !last || *last > UINT16_MAX) continue;
    for (std::uint64_t i = *first; i <= *last; ++i)
      all.push_back(static_cast<std::uint16_t>(i));
  }
  return all;
}

std::vector<CgroupStats::BlockIoEntry> parse_blkio(std::string_view text) {
  std::vector<CgroupStats::BlockIoEntry> all;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() != 2 && words.size() != 3) continue;
    const auto device = parse_device(words.front());
    const auto value = parse_decimal(words.back());
    if (!device || !value) continue;
    const std::string_view op = words.size() == 3 ? words[1] : std::string_view();
    all.push_back({device->major, device->minor, std::string(op), *value});
  }
  return all;
}

CgroupStats::BlockIo parse_io_stat(std::string_view text) {
  CgroupStats::BlockIo io;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    const auto device = words.empty() ? std::nullopt : parse_device(words.front());
    if (!device) continue;
    for (const std::string_view word : words) {
      const auto [key, number] = cut(word, '=');
      const auto value = parse_decimal(number);
      if (!value) continue;
      const auto add = [&, value = *value](auto& list, const char* op) {
        list.push_back({device->major, device->minor, op, value});
      };
      if (key == "rbytes") add(io.service_bytes, "Read");
      if (key == "wbytes") add(io.service_bytes, "Write");
      if (key == "rios") add(io.serviced, "Read");
      if (key == "wios") add(io.serviced, "Write");
    }
  }
  return io;
}

CgroupStats::Pressure parse_pressure(std::string_view text) {
  CgroupStats::Pressure pressure;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty()) continue;
    if (words.front() == "some") pressure.some = parse_stall(words);
    if (words.front() == "full") pressure.full = parse_stall(words);
  }
  return pressure;
}

std::string hugepage_size(std::string_view directory_name) {
  constexpr std::string_view kPrefix = "hugepages-";
  if (!directory_name.starts_with(kPrefix) || !directory_name.ends_with("kB")) return {};
  directory_name.remove_prefix(kPrefix.size());
  directory_name.remove_suffix(2);
  const auto kilobytes = parse_decimal(directory_name);
  if (!kilobytes) return {};
  // mm/hugetlb_cgroup.c, mem_fmt().
  if (*kilobytes >= 1U << 20U) return fmt::format("{}GB", *kilobytes >> 20U);
  if (*kilobytes >= 1U << 10U) return fmt::format("{}MB", *kilobytes >> 10U);
  return fmt::format("{}KB", *kilobytes);
}

std::vector<std::string> hugepage_sizes() {
  std::vector<std::string> sizes;
  const auto directory =
      open_at_if_exists(AT_FDCWD, "/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY);
  if (!directory) return sizes;
  for (const DirEntry& entry : list_dir(directory->get())) {
    std::string size = hugepage_size(entry.name);
    if (!size.empty()) sizes.push_back(std::move(size));
  }
  return sizes;
}

}  // namespace layerkit::runner
