// Operations on open directories.

#include <dirent.h>

#include <shared_mutex>
#include <utility>
#include <vector>

#include "fuse_request.h"

namespace layerkit {
namespace {

void opendir(fuse_req_t req, fuse_ino_t id, fuse_file_info* info) {
  if (is_needless(req)) return;
  answer(req, [&](UnionFs& fs) {
    std::unique_ptr<DirectoryHandle> handle = fs.open_directory(node_of(req, id));
    info->fh = reinterpret_cast<std::uint64_t>(handle.get());
    if (server_of(req).cache_seconds() > 0) {
      info->cache_readdir = 1;
      info->keep_cache = 1;
    }
    if (fuse_reply_open(req, info) == 0)
      handle.release();  // NOLINT(bugprone-unused-return-value)
    else
      fs.close_directory(std::move(handle));
  });
}

void releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    fs.close_directory(std::unique_ptr<DirectoryHandle>(&directory_of(info)));
    fuse_reply_err(req, 0);
  });
}

/// Fills one buffer of a listing.
class ListingReply final {
 public:
  ListingReply(fuse_req_t req, size_t size) : req_(req), buffer_(size) {}

  bool add(const char* name, const struct stat& stat, std::size_t next) {
    return keep(fuse_add_direntry(req_, rest(), left(), name, &stat, static_cast<off_t>(next)));
  }
  bool add_plus(const char* name, const fuse_entry_param& entry, std::size_t next) {
    return keep(
        fuse_add_direntry_plus(req_, rest(), left(), name, &entry, static_cast<off_t>(next)));
  }
  void send() { fuse_reply_buf(req_, buffer_.data(), used_); }

 private:
  char* rest() noexcept { return buffer_.data() + used_; }
  std::size_t left() const noexcept { return buffer_.size() - used_; }
  bool keep(std::size_t needed) noexcept {
    if (needed > left()) return false;
    used_ += needed;
    return true;
  }

  fuse_req_t req_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

struct stat listed(const MergedList::Item& item) {
  struct stat stat = {};
  stat.st_ino = item.ino;
  stat.st_mode = static_cast<mode_t>(DTTOIF(item.type));
  return stat;
}

/// The handle of a request that reads a directory, with its list; `stateless` where it was never
/// opened.
DirectoryHandle& opened_directory(fuse_req_t req,
                                  fuse_ino_t id,
                                  const fuse_file_info* info,
                                  off_t offset,
                                  DirectoryHandle& stateless) {
  UnionFs& fs = server_of(req).fs;
  if (info->fh == 0) {
    stateless.node = &node_of(req, id);
    stateless.list = fs.shared_list(*stateless.node);
    stateless.revision = stateless.node->revision.load();
    return stateless;
  }
  DirectoryHandle& handle = directory_of(info);
  fs.list(handle, offset == 0);
  return handle;
}

void readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    const std::shared_lock told(server_of(req).telling);
    DirectoryHandle stateless;
    DirectoryHandle& handle = opened_directory(req, id, info, offset, stateless);
    const auto& list = handle.list;
    ListingReply reply(req, size);
    for (auto i = static_cast<std::size_t>(offset); i < list->size(); ++i) {
      struct stat stat = listed((*list)[i]);
      const std::string name(list->name(i));
      if ((*list)[i].is_merged) {
        // Its number is that of the lowest part.
        if (const auto merged = fs.lookup(*handle.node, name)) {
          stat.st_ino = merged->stat.st_ino;
          fs.forget(*merged->node, 1);
        }
      }
      if (!reply.add(name.c_str(), stat, i + 1)) break;
    }
    reply.send();
  });
}

/// Which entries of the list are told of with their attributes.
class AttributesToTell final {
 public:
  AttributesToTell(fuse_req_t req, const Node& directory, const MergedList& list, bool from_start)
      : list_(list), may_be_kept_(server_of(req).cache_seconds() > 0) {
    if (!may_be_kept_) return;
    ListingDemand& demand = server_of(req).listing_demand;
    const pid_t reader = request_flags().pid;
    advice_ = from_start ? demand.begin(reader, directory, list) : demand.go_on(reader, directory);
  }
  bool of(std::size_t index) const noexcept {
    // What the kernel may not keep it asks for again; but the number of a merged directory is that
    // of its lowest part.
    return may_be_kept_ ? advice_.has_attributes(list_, index) : list_[index].is_merged;
  }

 private:
  const MergedList& list_;
  bool may_be_kept_;
  ListingDemand::Advice advice_;
};

void readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    const std::shared_lock told(server_of(req).telling);
    DirectoryHandle stateless;
    DirectoryHandle& handle = opened_directory(req, id, info, offset, stateless);
    const auto& list = handle.list;
    const AttributesToTell attributes(req, *handle.node, *list, offset == 0);
    ListingReply reply(req, size);
    for (auto i = static_cast<std::size_t>(offset); i < list->size(); ++i) {
      const std::string name(list->name(i));
      std::optional<NodeReply> found;
      if ((*list)[i].branch != nullptr && attributes.of(i)) found = fs.lookup_listed(handle, i);
      fuse_entry_param entry = {};
      if (found)
        entry = entry_of(server_of(req), *found);
      else
        entry.attr = listed((*list)[i]);
      if (reply.add_plus(name.c_str(), entry, i + 1)) continue;
      if (found) fs.forget(*found->node, 1);
      break;
    }
    reply.send();
  });
}

void fsyncdir(fuse_req_t req, fuse_ino_t id, int, fuse_file_info*) {
  answer(req, [&](UnionFs& fs) {
    fs.sync_directory(node_of(req, id));
    fuse_reply_err(req, 0);
  });
}

}  // namespace

void add_list_operations(fuse_lowlevel_ops& ops) noexcept {
  ops.opendir = opendir;
  ops.releasedir = releasedir;
  ops.readdir = readdir;
  ops.readdirplus = readdirplus;
  ops.fsyncdir = fsyncdir;
}

}  // namespace layerkit
