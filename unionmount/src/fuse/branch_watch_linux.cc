#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "branch_watch.h"
#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                  IN_MODIFY | IN_ONLYDIR | IN_EXCL_UNLINK;

/// What a name on a branch is about in the union.
std::string shown_name(std::string_view name) {
  if (name.starts_with(kAufsMetadataPrefix)) return {};
  if (name.starts_with(kWhiteoutPrefix)) name.remove_prefix(kWhiteoutPrefix.size());
  return std::string(name);
}

}  // namespace

BranchWatch::BranchWatch(std::function<void(const Node*, const std::string&)> changed)
    : changed_(std::move(changed)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  const int err = errno;
  if (!inotify_ || !stop_) fail_errno(err, "watching branches");
  thread_ = std::thread([this] { run(); });
}

BranchWatch::~BranchWatch() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

bool BranchWatch::is_watched(const Node& directory, const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  return watches_.contains({&directory, &branch});
}

Node* BranchWatch::watched(const Node& directory) {
  const std::lock_guard lock(mutex_);
  const auto first = watches_.lower_bound({&directory, nullptr});
  if (first == watches_.end() || first->first.first != &directory) return nullptr;
  const auto known = directories_.find(first->second);
  return known == directories_.end() ? nullptr : known->second;
}

bool BranchWatch::watch(Node& directory, const LiveBranch& branch, int fd) {
  const std::lock_guard lock(mutex_);
  const int watch = ::inotify_add_watch(inotify_.get(), proc_name(fd, "").c_str(), kEvents);
  if (watch < 0) return errno != ENOSPC && errno != ENOMEM;
  watches_[{&directory, &branch}] = watch;
  directories_[watch] = &directory;
  return true;
}

void BranchWatch::forget(const Node& directory) {
  const std::lock_guard lock(mutex_);
  const Place first = {&directory, nullptr};
  for (auto it = watches_.lower_bound(first);
       it != watches_.end() && it->first.first == &directory;) {
    const auto known = directories_.find(it->second);
    if (known != directories_.end() && known->second == &directory) {
      ::inotify_rm_watch(inotify_.get(), it->second);
      directories_.erase(known);
    }
    it = watches_.erase(it);
  }
}

bool BranchWatch::read_events() {
  alignas(inotify_event) std::array<char, 16384> buffer = {};
  const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
  if (got <= 0) return false;
  std::vector<std::pair<const Node*, std::string>> found;
  {
    const std::lock_guard lock(mutex_);
    for (ssize_t at = 0; at < got;) {
      inotify_event event = {};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) found.emplace_back(nullptr, std::string());
      const auto directory = directories_.find(event.wd);
      if (directory == directories_.end() || event.len == 0) continue;
      std::string shown = shown_name(name);
      if (shown.empty()) continue;
      directory->second->revision.fetch_add(1);
      found.emplace_back(directory->second, std::move(shown));
    }
  }
  for (const auto& [directory, name] : found)
    changed_(directory, name);
  return true;
}

void BranchWatch::run() {
  std::array<pollfd, 2> waits = {{{inotify_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    while (read_events()) {
    }
  }
}

}  // namespace layerkit
