#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "server/fuse_filesystem.h"
#include "server/start_program.h"

namespace layerkit {
namespace {

/// Where distributions put it. Never looked for in PATH: it is trusted with the mount.
std::string find_fusermount() {
  for (const char* path : {"/usr/bin/fusermount3", "/bin/fusermount3",
                           "/run/wrappers/bin/fusermount3", "/usr/local/bin/fusermount3"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  fail(Errc::Unsupported, "mounting as an ordinary user needs fusermount3 (package fuse3)");
}

/// What the program wrote to standard error, as one line.
std::string one_line(const Fd& output) {
  std::array<char, 1024> buffer{};
  const ssize_t got = ::pread(output.get(), buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return escaped(text);
}

class Fusermount final {
 public:
  explicit Fusermount(std::vector<std::string> arguments)
      : output_(::memfd_create("fusermount3", MFD_CLOEXEC)) {
    if (!output_) fail_errno(errno, "making a file in memory");
    program_.path = find_fusermount();
    program_.arguments = std::move(arguments);
    program_.arguments.insert(program_.arguments.begin(), "fusermount3");
    program_.standard_error = output_.get();
  }

  void run() { check(wait_for_child(start_child(program_))); }

  /// Runs it to get a descriptor, which it sends over a socket (as libfuse has it do).
  Fd run_for_descriptor() {
    auto [ours, theirs] = make_socket_pair(SOCK_STREAM);
    // Descriptors 0 to 2 are taken in the program.
    Fd inherited(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 3));
    if (!inherited) fail_errno(errno, "duplicating a descriptor");
    theirs.reset();
    program_.environment = {fmt::format("_FUSE_COMMFD={}", inherited.get())};
    program_.descriptors = {inherited.get()};
    const pid_t child = start_child(program_);
    inherited.reset();  // else its end could not be told from its silence
    SocketMessage message = receive_message(ours.get(), 1);
    check(wait_for_child(child));
    if (message.descriptors.size() != 1) fail(Errc::Io, "fusermount3 sent no connection");
    return std::move(message.descriptors.front());
  }

 private:
  void check(int exit_code) const {
    if (exit_code == 0) return;
    const std::string text = one_line(output_);
    const Errc code =
        text.find(errno_text(EBUSY)) != std::string::npos ? Errc::Busy : Errc::Unsupported;
    fail(code, "{}", text.empty() ? fmt::format("fusermount3 ended with {}", exit_code) : text);
  }

  ProgramStart program_;
  Fd output_;
};

/// fusermount3 takes "\," for a comma that does not end an option.
std::string option_value(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (c == ',' || c == '\\') value += '\\';
    value += c;
  }
  return value;
}

std::string fusermount_options(const FuseMounterOptions& options,
                               const MountAttributes& attributes) {
  std::string text = fmt::format("fsname={},subtype={},default_permissions",
                                 option_value(options.source), option_value(options.subtype));
  if (options.access == FuseAccess::Everybody) text += ",allow_other";
  if (attributes.read_only) text += ",ro";
  if (attributes.no_suid) text += ",nosuid";
  if (attributes.no_dev) text += ",nodev";
  if (attributes.no_exec) text += ",noexec";
  if (attributes.no_atime) text += ",noatime";
  return text;
}

}  // namespace

Fd mount_by_fusermount(const std::string& mount_point,
                       const FuseMounterOptions& options,
                       const MountAttributes& attributes) {
  return Fusermount({"-o", fusermount_options(options, attributes), "--", mount_point})
      .run_for_descriptor();
}

void unmount_by_fusermount(const std::string& path, UnmountMode mode) {
  std::vector<std::string> arguments = {"-u"};
  if (mode == UnmountMode::Lazy) arguments.emplace_back("-z");
  arguments.insert(arguments.end(), {"--", path});
  with_context([&] { return "unmounting " + quoted(path); },
               [&] { Fusermount(std::move(arguments)).run(); });
}

}  // namespace layerkit
