#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// One of the trees that are merged, and the layers that it is made of, base first.
struct MergeSide {
  std::vector<std::shared_ptr<const LayerTree>> layers;
  std::shared_ptr<const LayerTree> tree;
  std::size_t shared = 0;  ///< so many of the lowest layers are the first tree's, too

  /// Whether both trees are known to have one object of one layer at `path`.
  bool has_same_object(const MergeSide& other, const RelPath& path) const;
};

/// What one of the trees has at a path.
struct MergeCandidate {
  std::size_t side = 0;
  Entry entry;
};

/// In what two objects differ: the words of PathVersion::changes. Times of directories do not
/// count, which names are one file does not either.
std::vector<std::string> object_differences(const MergeSide& one,
                                            const Entry& first,
                                            const MergeSide& other,
                                            const Entry& second,
                                            const Context& context);

/// Which tree gives what several of them have.
enum class Precedence { First, Last };

/// The candidate that gives the object. REQUIRES: there is one.
const MergeCandidate& chosen_of(const std::vector<MergeCandidate>& candidates,
                                Precedence precedence);
/// Those that go on being merged below the path: the directories, where a directory is chosen.
std::vector<MergeCandidate> merged_below(std::vector<MergeCandidate> candidates,
                                         Precedence precedence);

/// Which files of several trees are one file in all of them together: those that are equal and have
/// a name in common. Memory: the files that were united.
class UnitedFiles {
 public:
  void unite(const FileIdentity& one, const FileIdentity& other);
  /// To be called when all are united.
  void settle();
  /// The same for all that were united.
  FileIdentity find(const FileIdentity& file) const;

 private:
  using Key = std::pair<const LayerTree*, std::uint64_t>;

  Key root_of(Key file);

  std::map<Key, Key> above_;
};

/// All trees together: directories are merged, of other objects the chosen tree's is there. Names
/// that are one file in one of the trees are one file wherever it, or an equal one, is there.
class MergedTree final : public LayerTree {
 public:
  MergedTree(std::vector<MergeSide> sides,
             Precedence precedence,
             UnitedFiles files,
             const Context& context)
      : sides_(std::move(sides)),
        precedence_(precedence),
        files_(std::move(files)),
        context_(context) {}

  std::optional<Entry> lookup(const RelPath& path) const override;
  std::vector<std::string> list(const RelPath& path) const override;
  std::unique_ptr<ByteSource> open(const RelPath& path) const override;
  std::optional<FileIdentity> identity(const RelPath& path) const override;

  /// Whether the object at `path`, no directory and under no other name, is known to be the first
  /// tree's without a look at its contents.
  bool is_of_first(const RelPath& path) const;

 private:
  std::vector<std::size_t> sides_with(const RelPath& directory) const;
  bool go_to(const RelPath& directory) const;
  std::shared_ptr<const std::vector<MergeCandidate>> candidates(const RelPath& path) const;

  std::vector<MergeSide> sides_;
  Precedence precedence_;
  UnitedFiles files_;
  Context context_;
  mutable std::mutex mutex_;
  /// The directory asked about last and some above it, each with the trees that have a part in it.
  mutable std::vector<std::pair<RelPath, std::vector<std::size_t>>> known_;
  /// The path asked about last, and what the trees have there.
  mutable std::optional<RelPath> known_path_;
  mutable std::shared_ptr<const std::vector<MergeCandidate>> known_candidates_;
};

}  // namespace layerkit
