#include <fcntl.h>

#include <filesystem>
#include <set>

#include "archive/archive_output.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

class DirectoryOutput final : public ArchiveOutput {
 public:
  DirectoryOutput(const std::string& path, const Context& context)
      : path_(path), context_(context), created_(create(path)) {
    dir_ = open_at(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY);
    if (!list_dir(dir_.get()).empty()) {
      fail(Errc::Exists, "writing to {}: the directory is not empty", layerkit::quoted(path_));
    }
  }

  DirectoryOutput(const DirectoryOutput&) = delete;
  DirectoryOutput& operator=(const DirectoryOutput&) = delete;
  ~DirectoryOutput() override {
    if (finished_) return;
    try {
      for (const std::string& name : top_files_) {
        unlink_at(dir_.get(), name);
      }
      for (const std::string& path : directories_) {
        if (path.find('/') == std::string::npos) remove_tree_at(dir_.get(), path);
      }
      if (created_) unlink_at(AT_FDCWD, path_, AT_REMOVEDIR);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the failure that led here counts
    }
  }

  void add(const std::string& name, std::uint64_t size, const Producer& produce) override {
    const RelPath path = RelPath::parse(name);
    const Fd parent = open_parent(path);
    const Fd file = open_at(parent.get(), std::string(path.name()),
                            O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0644);
    if (path.parent().is_root()) top_files_.insert(name);
    FdSink sink(file.get(), name);
    SizedSink sized(sink, name, size, context_);
    produce(sized);
    sized.finish();
    sync_fd(file.get(), name);
  }

  void finish() override {
    for (const std::string& path : directories_) {
      sync_fd(open_dir_at(dir_.get(), path).get(), path);
    }
    sync_fd(dir_.get(), path_);
    finished_ = true;
  }

 private:
  static bool create(const std::string& path) {
    const bool exists = open_at_if_exists(AT_FDCWD, path, O_PATH).has_value();
    if (!exists) make_dir_at(AT_FDCWD, path, 0755);
    return !exists;
  }

  /// The directory of a file to be, with all directories on the way.
  Fd open_parent(const RelPath& path) {
    const RelPath wanted = path.parent();
    RelPath parent;
    for (const std::string_view component : wanted.components()) {
      parent = parent / component;
      if (directories_.contains(parent.str())) continue;
      make_dir_at(dir_.get(), parent.str(), 0755);
      directories_.insert(parent.str());
    }
    return parent.is_root() ? dir_.duplicate() : open_dir_at(dir_.get(), parent.str());
  }

  std::string path_;
  const Context& context_;
  bool created_;
  Fd dir_;
  std::set<std::string> top_files_;    ///< written into the directory itself
  std::set<std::string> directories_;  ///< made below it, parents first
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<ArchiveOutput> make_directory_output(const std::string& path,
                                                     const Context& context) {
  return std::make_unique<DirectoryOutput>(path, context);
}

}  // namespace layerkit
