#include <fcntl.h>

#include <memory>
#include <set>
#include <vector>

#include "archive/archive_documents.h"
#include "archive/archive_output.h"
#include "archive/output_file.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr char kLayoutFile[] = "oci-layout";
constexpr char kIndexFile[] = "index.json";
constexpr mode_t kMode = 0644;

/// A new image layout, or more images for one that is there. Nobody sees the new ones before the
/// index is replaced, which comes last.
class DirectoryOutput final : public ArchiveOutput {
 public:
  DirectoryOutput(const std::string& path, const Context& context)
      : path_(path), context_(context), created_(create(path)) {
    dir_ = open_at(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY);
    lock_ =
        FileLock::try_lock(open_at(dir_.get(), ".", O_RDONLY | O_DIRECTORY), LockKind::Exclusive);
    if (!lock_) fail(Errc::Busy, "writing to {}: another process does", quoted(path_));
    read_old_layout();
  }

  DirectoryOutput(const DirectoryOutput&) = delete;
  DirectoryOutput& operator=(const DirectoryOutput&) = delete;
  ~DirectoryOutput() override {
    if (finished_) return;
    try {
      for (const std::string& file : added_files_)
        unlink_at(open_parent(RelPath::parse(file)).get(), name_of(file));
      for (auto made = made_directories_.rbegin(); made != made_directories_.rend(); ++made)
        unlink_at(open_parent(RelPath::parse(*made)).get(), name_of(*made), AT_REMOVEDIR);
      if (created_) unlink_at(AT_FDCWD, path_, AT_REMOVEDIR);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the failure that led here counts
    }
  }

  std::optional<std::string> old_index() const override { return old_index_; }

  void add(const std::string& name, std::uint64_t size, const Producer& produce) override {
    const RelPath path = RelPath::parse(name);
    make_directories(path.parent());
    Fd parent = open_parent(path);
    const bool exists = stat_at(parent.get(), name_of(name)).has_value();
    if (exists && name != kIndexFile && is_kept(parent.get(), name, size)) return;
    auto file = std::make_unique<OutputFile>(std::move(parent), name_of(name), kMode);
    FdSink sink(file->fd(), name);
    SizedSink sized(sink, name, size, context_);
    produce(sized);
    sized.finish();
    if (name == kIndexFile) {
      index_ = std::move(file);
      return;
    }
    if (!exists) added_files_.push_back(name);
    file->commit();
  }

  void finish() override {
    for (const std::string& path : made_directories_)
      sync_fd(open_parent(RelPath::parse(path)).get(), path);
    sync_fd(dir_.get(), path_);
    finished_ = true;  // from here on the index may lead to them
    if (index_) index_->commit();
  }

 private:
  static bool create(const std::string& path) {
    const bool exists = open_at_if_exists(AT_FDCWD, path, O_PATH).has_value();
    if (!exists) make_dir_at(AT_FDCWD, path, 0755);
    return !exists;
  }
  static std::string name_of(const std::string& path) {
    return std::string(RelPath::parse(path).name());
  }

  /// An index may be missing: whoever wrote the layout was killed.
  void read_old_layout() {
    if (list_dir(dir_.get()).empty()) return;
    if (!stat_at(dir_.get(), kLayoutFile)) {
      fail(Errc::Exists, "writing to {}: the directory is not empty, and no image layout",
           quoted(path_));
    }
    check_layout_version(read_file_at(dir_.get(), kLayoutFile, kMaxLayoutBytes));
    if (stat_at(dir_.get(), kIndexFile))
      old_index_ = read_file_at(dir_.get(), kIndexFile, kMaxJsonBytes);
  }

  /// Whether what stands there is what would be written: a blob has its digest for a name.
  bool is_kept(int parent, const std::string& name, std::uint64_t size) const {
    if (name == kLayoutFile) return true;
    const Fd file = open_at(parent, name_of(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const FileStat stat = stat_fd(file.get());
    if (stat.type != FileType::Regular || stat.size != size) return false;
    FdSource bytes(file.get(), name);
    InterruptibleSource source(bytes, context_);
    HashingSource hashed(source);
    drain(hashed);
    return hashed.finish().hex() == name_of(name);
  }

  void make_directories(const RelPath& directory) {
    RelPath at;
    for (const std::string_view component : directory.components()) {
      at = at / component;
      if (!known_directories_.insert(at.str()).second) continue;
      const Fd parent = open_parent(at);
      if (stat_at(parent.get(), std::string(component))) continue;
      make_dir_at(parent.get(), std::string(component), 0755);
      made_directories_.push_back(at.str());
    }
  }

  /// The directory that has this name; no symlink is followed on the way.
  Fd open_parent(const RelPath& path) const {
    Fd directory = open_at(dir_.get(), ".", O_RDONLY | O_DIRECTORY);
    const RelPath parent = path.parent();
    for (const std::string_view component : parent.components())
      directory = open_dir_at(directory.get(), std::string(component));
    return directory;
  }

  std::string path_;
  const Context& context_;
  bool created_;
  Fd dir_;
  std::optional<FileLock> lock_;
  std::optional<std::string> old_index_;
  std::vector<std::string> added_files_;
  std::set<std::string> known_directories_;
  std::vector<std::string> made_directories_;  ///< parents first
  std::unique_ptr<OutputFile> index_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<ArchiveOutput> make_directory_output(const std::string& path,
                                                     const Context& context) {
  return std::make_unique<DirectoryOutput>(path, context);
}

}  // namespace layerkit
