#include "control/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include "control/message.h"
#include "control/places.h"
#include "control/socket.h"
#include "control/unmount_union.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_info.h"
#include "server/fuse_filesystem.h"

namespace layerkit {
namespace {

/// How long a client may keep the others waiting.
constexpr int kClientSeconds = 10;

/// Carries requests out. Used by one thread at a time.
class Requests final {
 public:
  Requests(UnionControl& control, const RunDirectory& directory, UnionFacts facts)
      : control_(control), directory_(directory), facts_(std::move(facts)) {}

  void write_files() {
    directory_.write("pid", fmt::format("{}\n", ::getpid()));
    directory_.write("supervisor", fmt::format("{}\n", facts_.supervisor));
    directory_.write("device", fmt::format("{}\n", format_device(facts_.device)));
    write_settings();
    write_branches();
  }

  /// The reply, complete.
  std::string reply_to(const std::string& line, std::vector<Fd> descriptors) {
    descriptors_ = std::move(descriptors);
    std::string reply;
    try {
      reply = "ok\n" + std::visit(*this, parse_request(line));
    } catch (const Error& error) {
      reply = format_error(error) + "\n";
    }
    descriptors_.clear();  // a directory that was refused must not stay in use
    return reply;
  }

  std::string operator()(const InsertBranch& request) {
    if (descriptors_.size() != 1)
      fail(Errc::Invalid, "a request to insert a branch comes with one directory");
    // The server would wait for itself.
    if (device_of_mount(descriptors_.front().get(), "") == facts_.device)
      fail(Errc::Invalid, "inserting the branch {}: it lies in the union",
           quoted(request.branch.path));
    control_.insert_branch(request.index, {std::move(descriptors_.front()), request.branch.access,
                                           request.branch.attributes, request.branch.path});
    write_branches();
    return {};
  }
  std::string operator()(const DeleteBranch& request) {
    control_.delete_branch(request.path);
    write_branches();
    return {};
  }
  std::string operator()(const ModifyBranch& request) {
    control_.modify_branch(request.branch.path, request.branch.access, request.branch.attributes);
    write_branches();
    return {};
  }
  std::string operator()(const ChangeSettings& request) {
    const MountOptions options = parse_mount_options(request.options);
    if (!options.branches.empty() || !options.changes.empty())
      fail(Errc::Invalid, "branches are no settings");
    control_.change_settings(options.aufs);
    facts_.settings = options.aufs;
    write_settings();
    return {};
  }
  std::string operator()(const ListBranches& /*request*/) const {
    return format_branches(control_.branches());
  }
  std::string operator()(const Attached& request) const {
    directory_.write("mount", escape_word(request.path) + "\n");
    return {};
  }
  std::string operator()(const UnmountUnion& request) const {
    if (unmount_union(facts_.device, request.mode) == 0)
      fail(Errc::NotFound, "the union is mounted nowhere that its server sees");
    return {};
  }

 private:
  void write_settings() { directory_.write("options", format_settings(facts_.settings) + "\n"); }

  /// As /sys/fs/aufs/si_ID: brN and bridN, without gaps.
  void write_branches() {
    const std::vector<BranchState> branches = control_.branches();
    for (std::size_t i = 0; i < branches.size(); ++i) {
      directory_.write(fmt::format("br{}", i), format_branch_line(branches[i]));
      directory_.write(fmt::format("brid{}", i), fmt::format("{}\n", branches[i].id));
    }
    for (std::size_t i = branches.size(); i < shown_branches_; ++i) {
      directory_.erase(fmt::format("br{}", i));
      directory_.erase(fmt::format("brid{}", i));
    }
    shown_branches_ = branches.size();
  }

  UnionControl& control_;
  const RunDirectory& directory_;
  UnionFacts facts_;
  std::size_t shown_branches_ = 0;
  std::vector<Fd> descriptors_;
};

struct ReceivedLine {
  std::string line;
  std::vector<Fd> descriptors;
};

ReceivedLine receive_line(int socket) {
  ReceivedLine received;
  for (;;) {
    SocketMessage part = receive_message(socket, 4096);
    if (part.text.empty()) fail(Errc::Invalid, "a request ends without a newline");
    received.line += part.text;
    for (Fd& descriptor : part.descriptors)
      received.descriptors.push_back(std::move(descriptor));
    if (received.line.size() > kMaxControlLine ||
        received.descriptors.size() > kMaxPassedDescriptors)
      fail(Errc::Limit, "a request is longer than {} bytes", kMaxControlLine);
    const std::size_t end = received.line.find('\n');
    if (end == std::string::npos) continue;
    received.line.resize(end);
    return received;
  }
}

}  // namespace

class ControlServer::Thread final {
 public:
  Thread(UnionControl& control, const RunDirectory& directory, UnionFacts facts)
      : requests_(control, directory, std::move(facts)),
        socket_(listen_in_directory(directory.fd(), std::string(kControlSocket))) {
    std::tie(stop_, stopped_) = make_socket_pair(SOCK_STREAM);
    requests_.write_files();
    directory.publish();
    thread_ = std::thread([this] { run(); });
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() {
    stop_.reset();
    thread_.join();
  }

 private:
  void run() noexcept {
    while (Fd client = next_client()) {
      try {
        answer(client.get());
      } catch (const Error&) {           // NOLINT(bugprone-empty-catch): the client has gone
      } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the next one may fit
      }
    }
  }

  /// Empty once it is to stop.
  Fd next_client() const noexcept {
    for (;;) {
      std::array<pollfd, 2> sources{{{socket_.get(), POLLIN, 0}, {stopped_.get(), POLLIN, 0}}};
      if (::poll(sources.data(), sources.size(), -1) < 0 && errno != EINTR) return Fd();
      if (sources[1].revents != 0) return Fd();
      if (sources[0].revents == 0) continue;
      Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client) return client;
    }
  }

  void answer(int client) {
    set_socket_timeout(client, kClientSeconds);
    const uid_t user = peer_user(client);
    if (user != 0 && user != ::geteuid()) {
      send_message(client, format_error(Error(Errc::Io, EPERM,
                                              "asking the union: only its owner and root may")) +
                               "\n");
      return;
    }
    send_message(client, reply(client));
  }

  std::string reply(int client) {
    try {
      ReceivedLine received = receive_line(client);
      return requests_.reply_to(received.line, std::move(received.descriptors));
    } catch (const Error& error) {
      return format_error(error) + "\n";
    }
  }

  Requests requests_;
  Fd socket_;
  Fd stop_;
  Fd stopped_;
  std::thread thread_;
};

ControlServer::ControlServer(UnionControl& control, const RunDirectory& directory, UnionFacts facts)
    : thread_(std::make_unique<Thread>(control, directory, std::move(facts))) {}

ControlServer::~ControlServer() = default;

}  // namespace layerkit
