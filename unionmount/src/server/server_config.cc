#include "server/server_config.h"

#include <fcntl.h>

#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_options.h"
#include "mount_api.h"

namespace layerkit {
namespace {

// Records end in NUL, which no path contains: "KEY VALUE".

void add(std::string& text, std::string_view key, std::string_view value) {
  text.append(key).append(" ").append(value).push_back('\0');
}

void add_flag(std::string& text, std::string_view key, bool value) {
  if (value) add(text, key, "yes");
}

void add_fd(std::string& text, std::string_view key, int fd) {
  if (fd >= 0) add(text, key, fmt::format("{}", fd));
}

int parse_fd(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number > std::numeric_limits<int>::max())
    fail(Errc::Invalid, "{} is no descriptor", quoted(text));
  return static_cast<int>(*number);
}

std::uint64_t parse_device_number(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number) fail(Errc::Invalid, "{} is no device number", quoted(text));
  return *number;
}

/// The text up to the next space, which is taken away with it.
std::string_view take_word(std::string_view& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) fail(Errc::Invalid, "there is no space in {}", quoted(text));
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return word;
}

ServerConfig::BranchEntry parse_branch_entry(std::string_view value) {
  ServerConfig::BranchEntry entry;
  entry.fd = parse_fd(take_word(value));
  entry.permission = take_word(value);
  entry.path = value;
  return entry;
}

WhiteoutFormat parse_whiteouts(std::string_view value) {
  if (value == "aufs") return WhiteoutFormat::Aufs;
  if (value == "overlay") return WhiteoutFormat::Overlay;
  fail(Errc::Invalid, "{} is no format of whiteouts", quoted(value));
}

/// One of the flags, or nullptr.
bool* flag_named(ServerConfig& config, std::string_view key) {
  if (key == "read-only") return &config.read_only;
  if (key == "no-atime") return &config.no_atime;
  if (key == "no-suid") return &config.no_suid;
  if (key == "no-dev") return &config.no_dev;
  if (key == "expendable") return &config.expendable_upper;
  return nullptr;
}

void read_record(ServerConfig& config, std::string_view key, std::string_view value) {
  if (bool* const flag = flag_named(config, key)) {
    *flag = true;
  } else if (key == "id") {
    config.id = value;
  } else if (key == "device") {
    config.device = parse_device_number(value);
  } else if (key == "fuse") {
    config.fuse_fd = parse_fd(value);
  } else if (key == "ready") {
    config.ready_fd = parse_fd(value);
  } else if (key == "work") {
    config.work_fd = parse_fd(value);
  } else if (key == "settings") {
    config.settings = value;
  } else if (key == "whiteouts") {
    config.whiteouts = parse_whiteouts(value);
  } else if (key == "branch") {
    config.branches.push_back(parse_branch_entry(value));
  } else {
    fail(Errc::Invalid, "there is no record {}", quoted(key));
  }
}

std::string shown_path(const Branch& branch) {
  if (!branch.path.empty()) return branch.path;
  return read_link_at(AT_FDCWD, proc_fd_path(branch.directory.get()));
}

}  // namespace

ServerConfig describe_spec(const UnionSpec& spec) {
  ServerConfig config;
  config.work_fd = spec.work.get();
  config.settings = format_settings(spec.aufs);
  config.whiteouts = spec.whiteouts;
  config.read_only = spec.read_only;
  config.no_atime = spec.no_atime;
  config.no_suid = spec.no_suid;
  config.no_dev = spec.no_dev;
  config.expendable_upper = spec.expendable_upper;
  for (const Branch& branch : spec.branches) {
    config.branches.push_back({branch.directory.get(),
                               format_permission(branch.access, branch.attributes),
                               shown_path(branch)});
  }
  return config;
}

UnionSpec adopt_spec(const ServerConfig& config) {
  UnionSpec spec;
  spec.work = Fd(config.work_fd);
  spec.aufs = parse_mount_options(config.settings).aufs;
  spec.whiteouts = config.whiteouts;
  spec.read_only = config.read_only;
  spec.no_atime = config.no_atime;
  spec.no_suid = config.no_suid;
  spec.no_dev = config.no_dev;
  spec.expendable_upper = config.expendable_upper;
  for (const ServerConfig::BranchEntry& entry : config.branches) {
    std::vector<std::string> warnings;
    // Only the permission is read so: any byte may stand in the path.
    const BranchText text = parse_branch("/=" + entry.permission, warnings);
    spec.branches.push_back({Fd(entry.fd), text.access, text.attributes, entry.path});
  }
  return spec;
}

std::string format_server_config(const ServerConfig& config) {
  std::string text;
  add(text, "id", config.id);
  add(text, "device", fmt::format("{}", config.device));
  add_fd(text, "fuse", config.fuse_fd);
  add_fd(text, "ready", config.ready_fd);
  add_fd(text, "work", config.work_fd);
  add(text, "settings", config.settings);
  add(text, "whiteouts", config.whiteouts == WhiteoutFormat::Aufs ? "aufs" : "overlay");
  add_flag(text, "read-only", config.read_only);
  add_flag(text, "no-atime", config.no_atime);
  add_flag(text, "no-suid", config.no_suid);
  add_flag(text, "no-dev", config.no_dev);
  add_flag(text, "expendable", config.expendable_upper);
  for (const ServerConfig::BranchEntry& branch : config.branches)
    add(text, "branch", fmt::format("{} {} {}", branch.fd, branch.permission, branch.path));
  return text;
}

ServerConfig parse_server_config(std::string_view text) {
  return with_context([] { return std::string("reading what to serve"); },
                      [&] {
                        ServerConfig config;
                        while (!text.empty()) {
                          const std::size_t end = text.find('\0');
                          if (end == std::string_view::npos)
                            fail(Errc::Invalid, "the last record has no end");
                          std::string_view record = text.substr(0, end);
                          text.remove_prefix(end + 1);
                          const std::string_view key = take_word(record);
                          read_record(config, key, record);
                        }
                        if (config.id.empty() || config.fuse_fd < 0 || config.ready_fd < 0)
                          fail(Errc::Invalid, "a record is missing");
                        return config;
                      });
}

}  // namespace layerkit
