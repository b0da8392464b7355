#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "backend_limits.h"
#include "control/message.h"
#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "server/fuse_filesystem.h"
#include "server/server_config.h"
#include "server/start_program.h"

namespace layerkit {
namespace {

constexpr std::string_view kReady = "ready ";

/// In a program, 0 to 2 are the standard streams.
Fd above_standard_streams(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) fail_errno(errno, "duplicating a descriptor");
  return copy;
}

/// Moves descriptors that the server could not inherit out of the way. Gives the copies.
std::vector<Fd> make_inheritable(ServerConfig& config) {
  std::vector<Fd> copies;
  const auto move_up = [&copies](int& fd) {
    if (fd < 0 || fd > 2) return;
    copies.push_back(above_standard_streams(fd));
    fd = copies.back().get();
  };
  move_up(config.fuse_fd);
  move_up(config.ready_fd);
  move_up(config.work_fd);
  for (ServerConfig::BranchEntry& branch : config.branches)
    move_up(branch.fd);
  return copies;
}

std::vector<int> inherited_descriptors(const ServerConfig& config) {
  std::vector<int> descriptors = {config.fuse_fd, config.ready_fd};
  if (config.work_fd >= 0) descriptors.push_back(config.work_fd);
  for (const ServerConfig::BranchEntry& branch : config.branches)
    descriptors.push_back(branch.fd);
  return descriptors;
}

Fd write_config(const ServerConfig& config) {
  const Fd file(::memfd_create("union", MFD_CLOEXEC));
  if (!file) fail_errno(errno, "making a file in memory");
  const std::string text = format_server_config(config);
  if (text.size() > kMaxServerConfigBytes)
    fail(Errc::Limit, "the union has too many branches: {}", config.branches.size());
  write_all(file.get(), text, "what to serve");
  return above_standard_streams(file.get());
}

void execute_server(ServerConfig config, const FuseMounterOptions& options) {
  const std::vector<Fd> copies = make_inheritable(config);
  const Fd config_file = write_config(config);
  ProgramStart program;
  program.path = options.server_command.front();
  program.arguments = options.server_command;
  program.arguments.front() = "fuse-aufs";
  program.arguments.emplace_back(kConfigOption);
  program.arguments.push_back(fmt::format("{}", config_file.get()));
  program.descriptors = inherited_descriptors(config);
  program.descriptors.push_back(config_file.get());
  if (options.output == ServerOutput::StandardError) program.standard_error = STDERR_FILENO;
  start_detached(program);
}

/// What a server says before it serves: its ID; throws its error. `lifeline` becomes readable when
/// it has ended.
std::string await_server(const ServerConfig& config,
                         const FuseMounterOptions& options,
                         Fd& lifeline) {
  auto [ours, theirs] = make_socket_pair(SOCK_SEQPACKET);
  ServerConfig complete = config;
  complete.ready_fd = theirs.get();
  execute_server(std::move(complete), options);
  theirs.reset();
  const std::string answer = receive_message(ours.get(), kMaxControlLine).text;
  if (answer.empty()) fail(Errc::Io, "the server of the union ended without a word");
  if (!answer.starts_with(kReady)) throw parse_error(answer);
  lifeline = std::move(ours);
  return answer.substr(kReady.size());
}

/// Starts a server on the connection. Where a union that was unmounted a moment ago had the same
/// branches, its server may not have let go of them yet.
FuseMount start_server(const UnionSpec& spec,
                       const Fd& device,
                       std::uint64_t mount_device,
                       const FuseMounterOptions& options) {
  constexpr int kAttempts = 20;
  constexpr std::chrono::milliseconds kPause(50);
  if (options.server_command.empty()) fail(Errc::Invalid, "no program is named to serve the union");
  fail_if_overlay_only(spec, "a FUSE union");
  ServerConfig config = describe_spec(spec);
  config.id = options.id.empty() ? "-" : options.id;
  config.device = mount_device;
  config.fuse_fd = device.get();
  for (int attempt = 1;; ++attempt) {
    try {
      FuseMount mount;
      mount.id = await_server(config, options, mount.server);
      return mount;
    } catch (const Error& error) {
      if (error.code() != Errc::Busy || attempt == kAttempts) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

template <typename Work>
FuseMount with_union_context(const UnionSpec& spec, Work&& work) {
  return with_context(
      [&] { return fmt::format("mounting a union of {} branches by FUSE", spec.branches.size()); },
      std::forward<Work>(work));
}

class FuseMounter final : public Mounter {
 public:
  explicit FuseMounter(FuseMounterOptions options) : options_(std::move(options)) {}

  std::string_view name() const noexcept override { return "fuse"; }
  DetachedMount mount(const UnionSpec& spec) const override {
    return DetachedMount(start_fuse_union(spec, options_).mount);
  }

 private:
  FuseMounterOptions options_;
};

}  // namespace

FuseMount start_fuse_union(const UnionSpec& spec, const FuseMounterOptions& options) {
  return with_union_context(spec, [&] {
    const Fd device = open_fuse_device();
    Fd filesystem = make_fuse_filesystem(device.get(), options, attributes_of(spec));
    FuseMount mount = start_server(spec, device, device_of_mount(filesystem.get(), ""), options);
    mount.mount = std::move(filesystem);
    return mount;
  });
}

FuseMount start_fuse_union_at(const std::string& mount_point,
                              const UnionSpec& spec,
                              const FuseMounterOptions& options) {
  return with_union_context(spec, [&] {
    const Fd device = mount_by_fusermount(mount_point, options, attributes_of(spec));
    try {
      return start_server(spec, device, device_of_mount(AT_FDCWD, mount_point), options);
    } catch (const Error&) {
      try {
        unmount_by_fusermount(mount_point, UnmountMode::Lazy);
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the first failure matters
      }
      throw;
    }
  });
}

std::unique_ptr<Mounter> make_fuse_mounter(FuseMounterOptions options) {
  return std::make_unique<FuseMounter>(std::move(options));
}

}  // namespace layerkit
