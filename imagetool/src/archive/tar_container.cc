#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "archive/blob_container.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {
namespace {

/// As the kernel's own bound on symlinks in one path (path_resolution(7)).
constexpr int kMaxLinks = 40;
/// Names an archive may have; an image of 500 layers in docker's oldest layout has 2,000.
constexpr std::uint64_t kMaxMembers = 100'000;
/// Bytes of all names together.
constexpr std::uint64_t kMaxNameBytes = 8ULL << 20;
/// Contents below this are read through rather than jumped over: one read(2) has them anyway.
constexpr std::uint64_t kMinJump = std::uint64_t{64} * 1024;

/// Reads a tar file, but gives zeros instead of a member's contents where told to: indexing a
/// 10 GB archive then reads its headers only. The tar reader skips those bytes unseen.
class HeaderSource final : public ByteSource {
 public:
  HeaderSource(int fd, std::uint64_t size, const std::string& name)
      : fd_(fd), size_(size), name_(name) {}

  /// REQUIRES: nobody looks at the bytes of [begin, end).
  void jump_over(std::uint64_t begin, std::uint64_t end) {
    hole_begin_ = begin;
    hole_end_ = std::min(end, size_);
  }

  std::size_t read(std::span<std::byte> buffer) override {
    const std::uint64_t stop = position_ < hole_begin_ ? hole_begin_
                               : position_ < hole_end_ ? hole_end_
                                                       : size_;
    const std::uint64_t left = std::min(stop, size_) - std::min(position_, size_);
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), left);
    if (count == 0) return 0;
    std::size_t got = count;
    if (position_ >= hole_begin_ && position_ < hole_end_) {
      std::memset(buffer.data(), 0, count);
    } else {
      got = FileRangeSource(fd_, position_, count, name_).read(buffer.first(count));
    }
    position_ += got;
    return got;
  }

 private:
  int fd_;
  std::uint64_t size_;
  const std::string& name_;
  std::uint64_t position_ = 0;
  std::uint64_t hole_begin_ = UINT64_MAX;
  std::uint64_t hole_end_ = 0;
};

/// Where in the tar the reader is, and what it saw of the current member's contents.
class PositionObserver final : public TarObserver {
 public:
  void on_framing(std::span<const std::byte> bytes) override { position_ += bytes.size(); }
  void on_contents(std::uint64_t /*file_offset*/, std::span<const std::byte> bytes) override {
    position_ += bytes.size();
    contents_ += bytes.size();
  }

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t contents() const noexcept { return contents_; }
  void start_member() noexcept { contents_ = 0; }

 private:
  std::uint64_t position_ = 0;
  std::uint64_t contents_ = 0;
};

struct Member {
  FileType type = FileType::Regular;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::optional<std::string> link;  ///< relative to the archive's root
};

using Index = std::unordered_map<RelPath, Member>;

/// A symlink's target as a path of the archive, not yet canonical.
std::string link_path(const Entry& entry) {
  const bool is_absolute = entry.symlink_target.starts_with('/');
  const std::string base = is_absolute || entry.path.is_root() ? "" : entry.path.parent().str();
  return base + "/" + entry.symlink_target;
}

class Indexer {
 public:
  Indexer(int fd, std::uint64_t size, const std::string& name, const Context& context)
      : source_(fd, size, name), context_(context) {}

  Index run() {
    TarLimits limits;
    limits.entries = kMaxMembers;
    limits.unpacked_bytes = UINT64_MAX;  // nothing is unpacked
    const auto reader = make_tar_reader(source_, TarDialect::Literal, limits, &position_);
    std::optional<Entry> previous;
    while (auto entry = reader->next()) {
      context_.check_interrupted();
      if (previous) refuse_sparse(*previous);
      add(*entry);
      previous = std::move(entry);
    }
    if (previous) refuse_sparse(*previous);
    return std::move(index_);
  }

  bool has_members() const noexcept { return !index_.empty(); }

 private:
  static bool has_contents(const Entry& entry) {
    return entry.type == FileType::Regular && !entry.hard_link_target;
  }

  void add(const Entry& entry) {
    position_.start_member();
    name_bytes_ += entry.path.str().size() + entry.symlink_target.size();
    if (name_bytes_ > kMaxNameBytes) {
      fail(Errc::Limit, "its names are more than {} bytes", kMaxNameBytes);
    }
    Member member{entry.type, position_.position(), 0, std::nullopt};
    if (entry.hard_link_target) {
      member.link = entry.hard_link_target->str();
    } else if (entry.type == FileType::Symlink) {
      member.link = link_path(entry);
    } else if (has_contents(entry)) {
      member.size = entry.size;
      if (entry.size >= kMinJump) source_.jump_over(member.offset, member.offset + entry.size);
    }
    index_.insert_or_assign(entry.path, std::move(member));
  }

  /// A sparse member stores less than its size, so its bytes are not the range we remember.
  void refuse_sparse(const Entry& entry) const {
    if (!has_contents(entry) || position_.contents() == entry.size) return;
    fail(Errc::Invalid, "{} is a sparse file", quoted(entry.path.str()));
  }

  HeaderSource source_;
  PositionObserver position_;
  const Context& context_;
  Index index_;
  std::uint64_t name_bytes_ = 0;
};

Index make_index(int fd, const std::string& name, const Context& context) {
  Indexer indexer(fd, stat_fd(fd).size, name, context);
  try {
    return indexer.run();
  } catch (Error& error) {
    // What fails at its first byte is no tar at all; later it is a tar that is damaged.
    if (indexer.has_members() || error.code() == Errc::Interrupted) {
      error.add_context("reading archive " + quoted(name));
      throw;
    }
    fail(Errc::Invalid, "{} is not an image archive: {}", quoted(name), error.message());
  }
}

class TarContainer final : public BlobContainer {
 public:
  TarContainer(Fd file, std::string name, const Context& context)
      : file_(std::make_shared<const Fd>(std::move(file))),
        name_(std::move(name)),
        index_(make_index(file_->get(), name_, context)) {}

  const std::string& name() const noexcept override { return name_; }
  bool is_directory() const noexcept override { return false; }

  std::optional<StoredFile> open(const RelPath& path) const override {
    const auto found = index_.find(resolve(path));
    if (found == index_.end()) return std::nullopt;
    const Member& member = found->second;
    if (member.type != FileType::Regular) {
      fail(Errc::Invalid, "opening {}: it is not a regular file", quoted(path.str()));
    }
    return StoredFile{
        std::make_unique<FileRangeSource>(file_->get(), member.offset, member.size, path.str()),
        member.size, file_, member.offset};
  }

 private:
  /// The path without links, as chroot and open would walk it.
  RelPath resolve(const RelPath& path) const {
    RelPath current = path;
    for (int links = 0; links <= kMaxLinks; ++links) {
      auto next = follow_first_link(current);
      if (!next) return current;
      current = std::move(*next);
    }
    fail(Errc::Invalid, "opening {}: too many links", quoted(path.str()));
  }

  std::optional<RelPath> follow_first_link(const RelPath& path) const {
    RelPath prefix;
    std::size_t consumed = 0;
    for (const std::string_view component : path.components()) {
      prefix = prefix / component;
      consumed = prefix.str().size();
      const auto found = index_.find(prefix);
      if (found == index_.end() || !found->second.link) continue;
      return RelPath::parse(*found->second.link + "/" + path.str().substr(consumed));
    }
    return std::nullopt;
  }

  std::shared_ptr<const Fd> file_;
  std::string name_;
  Index index_;
};

}  // namespace

std::unique_ptr<BlobContainer> make_tar_container(Fd file,
                                                  std::string name,
                                                  const Context& context) {
  return std::make_unique<TarContainer>(std::move(file), std::move(name), context);
}

}  // namespace layerkit
