#include "mount_options_fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {
namespace {

void require(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  static_cast<void>(std::fprintf(stderr, "%s: %s\n", what, quoted(text).c_str()));
  std::abort();
}

bool is_printable(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

/// What is shown to people stays short and on its line, whatever the text was.
void check_message(const std::string& message, std::string_view text) {
  require(message.size() < 4096 && is_printable(message), "a message is not fit to print", text);
}

void check_error(const Error& error, std::string_view text) {
  require(error.code() == Errc::Invalid || error.code() == Errc::Limit, "an unexpected error code",
          text);
  check_message(error.message(), text);
}

void check_branch(const BranchText& branch, std::string_view text) {
  require(!branch.path.empty(), "a branch has no path", text);
  std::vector<std::string> warnings;
  require(parse_branch(format_branch(branch), warnings) == branch && warnings.empty(),
          "a branch reads back differently", text);
}

void check_changes(const MountOptions& options, std::string_view text) {
  for (const BranchChange& change : options.changes)
    if (const auto* const insert = std::get_if<InsertBranch>(&change)) {
      require(insert->index >= -1 && insert->index < static_cast<int>(kMaxBranches),
              "an index is out of range", text);
      check_branch(insert->branch, text);
    }
  std::vector<BranchText> branches = options.branches;
  try {
    apply_changes(branches, options.changes);
  } catch (const Error& error) {
    check_message(error.message(), text);
  }
  require(branches.size() <= kMaxBranches, "there are too many branches", text);
}

void check_settings(const AufsSettings& settings, std::string_view text) {
  require(settings.create.refresh_seconds <= 3600 && settings.readdir_cache_seconds <= 3600 &&
              settings.readdir_block_bytes <= 1U << 22 && settings.fhsm_seconds <= 0x7fffffff,
          "a number is out of range", text);
  require(parse_mount_options(format_settings(settings)).aufs == settings,
          "the settings read back differently", text);
}

void check_options(MountOptions options, std::string_view text) {
  for (const std::string& warning : options.warnings)
    check_message(warning, text);
  options.warnings.clear();
  for (const BranchText& branch : options.branches)
    check_branch(branch, text);
  check_changes(options, text);
  check_settings(options.aufs, text);
  const std::string written = format_mount_options(options);
  if (written.size() > kMaxMountOptionBytes) return;  // backslashes were added
  const MountOptions again = parse_mount_options(written);
  require(again == options, "the options read back differently", text);
  require(format_mount_options(again) == written, "the options are written differently", text);
}

}  // namespace
}  // namespace layerkit

// NOLINTNEXTLINE(readability-identifier-naming)
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(size, '\0');
  std::copy_n(data, size, text.begin());
  layerkit::MountOptions options;
  try {
    options = layerkit::parse_mount_options(text);
  } catch (const layerkit::Error& error) {
    layerkit::check_error(error, text);
    return 0;
  }
  try {
    layerkit::check_options(std::move(options), text);
  } catch (const layerkit::Error& error) {
    layerkit::require(false, error.what(), text);
  }
  return 0;
}
