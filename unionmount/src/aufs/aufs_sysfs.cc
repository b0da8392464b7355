#include "layerkit/unionmount/aufs_sysfs.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <thread>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxEntryBytes = 1 << 16;  // a page at most
constexpr std::size_t kMaxKernelBranches = 32767;
constexpr int kAttempts = 20;
constexpr std::chrono::milliseconds kPause(10);

/// The text of an entry, which is one line. nullopt when there is no such entry.
std::optional<std::string> read_line(int dir, const std::string& name) {
  try {
    std::string text = read_file_at(dir, name, kMaxEntryBytes);
    if (text.empty() || text.back() != '\n')
      fail(Errc::Invalid, "reading {}: the line has no end", quoted(name));
    text.pop_back();
    return text;
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

bool is_octal(char character) noexcept {
  return character >= '0' && character <= '7';
}

/// Spaces, control characters and backslashes are shown as "\ooo" (seq_path).
std::string unescape_octal(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 3);
    if (text[i] == '\\' && digits.size() == 3 &&
        std::all_of(digits.begin(), digits.end(), is_octal)) {
      plain +=
          static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

BranchState parse_entry(const std::string& name, std::string_view line, std::string_view id) {
  const std::size_t equals = line.rfind('=');  // a path may contain one, a permission does not
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == line.size())
    fail(Errc::Invalid, "reading {}: {} is not a path and a permission", quoted(name),
         quoted(line));
  const std::optional<std::uint64_t> number = parse_decimal(id);
  if (!number || *number > INT_MAX)
    fail(Errc::Invalid, "reading the ID of {}: {} is not a number", quoted(name), quoted(id));
  return {.path = unescape_octal(line.substr(0, equals)),
          .permission = std::string(line.substr(equals + 1)),
          .id = static_cast<int>(*number)};
}

/// nullopt when an entry went away in the middle.
std::optional<std::vector<BranchState>> read_once(int dir) {
  std::vector<BranchState> branches;
  for (std::size_t i = 0; i < kMaxKernelBranches; ++i) {
    const std::string name = "br" + std::to_string(i);
    const std::optional<std::string> line = read_line(dir, name);
    if (!line) return branches;
    const std::optional<std::string> id = read_line(dir, "brid" + std::to_string(i));
    if (!id) return std::nullopt;
    branches.push_back(parse_entry(name, *line, *id));
  }
  fail(Errc::Limit, "there are more than {} branches", kMaxKernelBranches);
}

bool same(const BranchState& left, const BranchState& right) {
  return left.id == right.id && left.path == right.path && left.permission == right.permission;
}

/// Entries are renumbered one by one while a branch comes or goes, and busy meanwhile.
std::vector<BranchState> read_until_stable(int dir) {
  std::optional<std::vector<BranchState>> before;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 1) std::this_thread::sleep_for(kPause);
    std::optional<std::vector<BranchState>> now;
    try {
      now = read_once(dir);
    } catch (const Error& error) {
      if (error.code() != Errc::Busy) throw;
    }
    if (now && before && std::equal(now->begin(), now->end(), before->begin(), before->end(), same))
      return std::move(*now);
    before = std::move(now);
  }
  fail(Errc::Busy, "they keep changing");
}

bool is_hex(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::vector<BranchState> read_aufs_branches(const std::string& id, const std::string& sysfs) {
  return with_context(
      [&] { return fmt::format("reading the branches of the aufs {}", quoted(id)); },
      [&] {
        if (!is_hex(id)) fail(Errc::Invalid, "the ID is not a hexadecimal number");
        const Fd dir = open_dir_at(AT_FDCWD, sysfs + "/si_" + id);
        std::vector<BranchState> branches = read_until_stable(dir.get());
        if (branches.empty())
          fail(Errc::Unsupported, "aufs shows none (its module parameter 'brs' is 0)");
        return branches;
      });
}

}  // namespace layerkit
