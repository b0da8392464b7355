#include "layerkit/unionmount/union_client.h"

#include <fcntl.h>

#include <algorithm>

#include "control/message.h"
#include "control/places.h"
#include "control/run_directory.h"
#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
/// Longer than any change of a union takes that is not stuck.
constexpr int kServerSeconds = 120;

/// Without the newline; nothing when there is no such file.
std::optional<std::string> read_line(int directory, const std::string& name) {
  try {
    std::string text = read_file_at(directory, name, kMaxFileBytes);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

int number_in(int directory, const std::string& name) {
  const auto number = parse_decimal(read_line(directory, name).value_or(""));
  return number ? static_cast<int>(*number) : 0;
}

/// brN and bridN from 0 on. A change in between shows a branch twice or not at all.
std::vector<BranchState> read_branches(int directory) {
  std::vector<BranchState> branches;
  for (;;) {
    const auto text = read_line(directory, fmt::format("br{}", branches.size()));
    if (!text) return branches;
    const std::size_t equals = std::min(text->rfind('='), text->size());
    branches.push_back({unescape_word(std::string_view(*text).substr(0, equals)),
                        text->substr(std::min(equals + 1, text->size())),
                        number_in(directory, fmt::format("brid{}", branches.size()))});
  }
}

std::vector<std::string> mount_points_of(const UnionInfo& info,
                                         const std::vector<MountInfo>& mounts,
                                         int directory) {
  std::vector<std::string> points;
  for (const MountInfo& mount : mounts) {
    if (mount.device == info.device) points.push_back(mount.mount_point);
  }
  if (!points.empty()) return points;
  if (const auto attached = read_line(directory, "mount"))
    points.push_back(unescape_word(*attached));
  return points;
}

/// nullopt for what is no union (any more).
std::optional<UnionInfo> read_union(int place,
                                    const std::string& name,
                                    const std::vector<MountInfo>& mounts) {
  const auto directory = open_at_if_exists(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory || !answers(directory->get())) return std::nullopt;
  UnionInfo info;
  info.id = name.substr(kUnionPrefix.size());
  const auto device = parse_device(read_line(directory->get(), "device").value_or(""));
  if (!device) return std::nullopt;
  info.device = *device;
  info.pid = number_in(directory->get(), "pid");
  info.settings = read_line(directory->get(), "options").value_or("");
  info.branches = read_branches(directory->get());
  info.mount_points = mount_points_of(info, mounts, directory->get());
  return info;
}

void add_unions_in(const std::string& path,
                   const std::vector<MountInfo>& mounts,
                   std::vector<UnionInfo>& unions) {
  const Fd place = open_control_place(path);
  if (!place) return;
  for (const DirEntry& entry : list_dir(place.get())) {
    if (!entry.name.starts_with(kUnionPrefix)) continue;
    auto info = read_union(place.get(), entry.name, mounts);
    if (!info) continue;
    info->directory = path + "/" + entry.name;
    unions.push_back(std::move(*info));
  }
}

/// The places of this user, and root's.
std::vector<std::string> places_to_look() {
  std::vector<std::string> places = control_places();
  if (std::ranges::find(places, kRootPlace) == places.end()) places.emplace_back(kRootPlace);
  return places;
}

}  // namespace

std::vector<UnionInfo> list_unions() {
  const std::vector<MountInfo> mounts = read_mount_info();
  std::vector<UnionInfo> unions;
  for (const std::string& path : places_to_look())
    add_unions_in(path, mounts, unions);
  return unions;
}

std::optional<UnionInfo> find_union(const MountInfo& mount) {
  if (!mount.type.starts_with("fuse")) return std::nullopt;
  for (UnionInfo& info : list_unions()) {
    if (info.device == mount.device) return std::move(info);
  }
  return std::nullopt;
}

UnionClient::UnionClient(const UnionInfo& info)
    : name_(info.id), directory_(open_dir_at(AT_FDCWD, info.directory)) {}

std::string UnionClient::ask(const std::string& request,
                             const std::vector<int>& descriptors) const {
  const Fd socket = connect_in_directory(directory_.get(), std::string(kControlSocket));
  if (!socket) fail(Errc::NotFound, "nobody serves the union si_{}", name_);
  set_socket_timeout(socket.get(), kServerSeconds);
  if (request.size() + 1 > kMaxControlLine)
    fail(Errc::Limit, "asking the union: the request is longer than {} bytes", kMaxControlLine);
  send_message(socket.get(), request + "\n", descriptors);
  std::string reply;
  for (;;) {
    const SocketMessage part = receive_message(socket.get(), 1 << 16);
    if (part.text.empty()) break;
    reply += part.text;
    if (reply.size() > kMaxControlReply)
      fail(Errc::Limit, "asking the union: the reply is endless");
  }
  constexpr std::string_view kOk = "ok\n";
  if (reply.starts_with(kOk)) return reply.substr(kOk.size());
  if (!reply.empty() && reply.back() == '\n') reply.pop_back();
  throw parse_error(reply);
}

std::vector<BranchState> UnionClient::branches() const {
  return parse_branches(ask(format_request(ListBranches{})));
}

void UnionClient::insert_branch(int index, const BranchText& branch, const Fd& directory) const {
  static_cast<void>(ask(format_request(InsertBranch{index, branch}), {directory.get()}));
}

void UnionClient::delete_branch(const std::string& path) const {
  static_cast<void>(ask(format_request(DeleteBranch{path})));
}

void UnionClient::modify_branch(const BranchText& branch) const {
  static_cast<void>(ask(format_request(ModifyBranch{branch})));
}

void UnionClient::change_settings(const AufsSettings& settings) const {
  static_cast<void>(ask(format_request(ChangeSettings{format_settings(settings)})));
}

void UnionClient::tell_mount_point(const std::string& path) const {
  static_cast<void>(ask(format_request(Attached{path})));
}

void UnionClient::unmount(UnmountMode mode) const {
  static_cast<void>(ask(format_request(UnmountUnion{mode})));
}

}  // namespace layerkit
