#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "layerkit/base/fd.h"
#include "node.h"

namespace layerkit {

/// Learns from inotify(7) what others change in the branches ("udba=notify"): each directory that
/// the kernel knows is watched on every branch that holds it. The union's own changes are reported,
/// too; they cost a lookup and change nothing. Thread-safe.
class BranchWatch final {
 public:
  /// `changed` is called on the watch's own thread, without locks, with the directory's node (which
  /// may be gone by then: an address to tell the kernel and no more) and the name in the union;
  /// with an empty name when events were lost and anything may have changed.
  explicit BranchWatch(std::function<void(const Node*, const std::string&)> changed);
  BranchWatch(const BranchWatch&) = delete;
  BranchWatch& operator=(const BranchWatch&) = delete;
  ~BranchWatch();

  /// Watches the directory that `fd` is on `branch`. False when the system has no more watches.
  bool watch(Node& directory, const LiveBranch& branch, int fd);
  bool is_watched(const Node& directory, const LiveBranch& branch);
  /// The node at the address if it is watched on any branch, else null.
  Node* watched(const Node& directory);
  /// REQUIRES: called before the node is freed.
  void forget(const Node& directory);

 private:
  using Place = std::pair<const Node*, const LiveBranch*>;

  void run();
  bool read_events();

  std::function<void(const Node*, const std::string&)> changed_;
  Fd inotify_;
  Fd stop_;
  std::mutex mutex_;
  std::map<Place, int> watches_;
  std::unordered_map<int, Node*> directories_;
  std::thread thread_;
};

}  // namespace layerkit
