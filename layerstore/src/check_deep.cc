#include "check_deep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "compare_trees.h"
#include "forwarding_tree.h"
#include "layer_index.h"
#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"
#include "recipe_writer.h"
#include "staging.h"
#include "store_files_linux.h"
#include "stored_tar.h"

namespace layerkit {
namespace {

/// Tells whether an entry has bytes in the tar: a file that is one hole has none.
class ContentsWatch final : public TarObserver {
 public:
  void on_framing(std::span<const std::byte> /*bytes*/) override {}
  void on_contents(std::uint64_t /*file_offset*/, std::span<const std::byte> /*bytes*/) override {
    seen = true;
  }
  bool seen = false;
};

/// The layers below, noting which of their files are copied into the layer.
class WatchedTree final : public ForwardingTree {
 public:
  using ForwardingTree::ForwardingTree;

  // The tree's own way is the quick one.
  bool hides_lower(const RelPath& path) const override { return inner().hides_lower(path); }
  std::shared_ptr<const LayerDir> root_dir() const override { return inner().root_dir(); }
  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    opened_.push_back(path);
    return ForwardingTree::open(path);
  }
  std::vector<RelPath> take_opened() const { return std::exchange(opened_, {}); }

 private:
  mutable std::vector<RelPath> opened_;
};

bool has_contents(const Entry& entry) {
  return is_stored_file(entry) && entry.size > 0;
}

/// Unpacks a layer's tar without the contents of files: what is left is what its diff directory
/// should look like. The contents are compared while the tar is made.
class ExpectedTree {
 public:
  ExpectedTree(int staging_fd,
               std::shared_ptr<const LayerTree> lower,
               DiffFormat format,
               const Context& context)
      : staging_(staging_fd),
        diff_(make_exact_dir(staging_.fd(), store_file::kDiff, 0755)),
        lower_(lower ? std::make_shared<const WatchedTree>(std::move(lower)) : nullptr),
        writer_(make_diff_writer(open_dir_at(diff_.fd(), "."), lower_, context, format)) {}

  int fd() const noexcept { return diff_.fd(); }

  void add(const Entry& entry, ByteSource& contents, ContentsWatch& watch) {
    if (!has_contents(entry)) {
      writer_->add(entry, contents);
      return mark_copied();
    }
    watch.seen = false;
    drain(contents);
    MemorySource nothing("");
    Entry empty = entry;
    empty.size = 0;
    writer_->add(empty, nothing);
    const auto file = writer_->last_file();
    if (file && !watch.seen) set_size(*file, entry.size, entry.mtime);
  }
  void finish() { writer_->finish(); }

 private:
  /// A file that is one hole: no record of the recipe is about it.
  void set_size(const RelPath& path, std::uint64_t size, Timestamp mtime) {
    const Fd file = diff_.open(path, O_WRONLY | O_NOFOLLOW, Follow::No);
    const timespec times[] = {{0, UTIME_OMIT}, {mtime.seconds, mtime.nanoseconds}};
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
        ::futimens(file.get(), times) != 0) {
      const int err = errno;
      fail_errno(err, "setting the size of {}", quoted(path.str()));
    }
    mark(path);
  }

  /// Lower files that a hard link of the layer needed.
  void mark_copied() {
    if (!lower_) return;
    for (const RelPath& path : lower_->take_opened())
      mark(path);
  }

  void mark(const RelPath& path) {
    mark_contents(diff_.open_parent(path, Follow::No).get(), std::string(path.name()));
  }

  StagingDir staging_;
  RootDir diff_;
  std::shared_ptr<const WatchedTree> lower_;
  std::unique_ptr<DiffWriter> writer_;
};

/// What the check itself cannot do is no finding.
bool is_ours(const Error& error) {
  const int err = error.sys_errno();
  return error.code() == Errc::Interrupted || err == ENOSPC || err == EDQUOT || err == ENOMEM ||
         err == EMFILE || err == ENFILE || err == EROFS || err == EPERM;
}

enum class Below { Sound, Damaged };

class DeepLayerCheck {
 public:
  DeepLayerCheck(const StoreDirs& dirs, const LayerRecord& record, const Context& context)
      : dirs_(dirs), record_(record), name_(record.info.chain.hex()) {
    context_.interrupted = context.interrupted;
  }

  std::vector<Finding> run(Below below) {
    try {
      check(below);
    } catch (const Error& error) {
      if (is_ours(error)) throw;
      add("layer-unreadable", object(), error.message());
    }
    settle_mends();
    return is_still_there() ? std::move(findings_) : std::vector<Finding>{};
  }

 private:
  std::string object(const RelPath* path = nullptr) const {
    const DriverLayout& layout = dirs_.layout();
    if (path == nullptr) return escaped(*layout.place(name_, LayerPart::Records));
    return escaped(*layout.place(name_, LayerPart::Diff) + path->absolute());
  }

  void add(const char* kind, const std::string& where, const std::string& detail) {
    findings_.push_back({kind, where, detail, Severity::Damage, Mend::None, record_.info.chain});
  }

  void check(Below below) {
    StoredTar tar(dirs_.open_directory(name_), dirs_.open_diff(name_),
                  [this](const RelPath& path, const std::string& how) {
                    changed_.insert(path);
                    add("layer-file-changed", object(&path), how);
                  });
    HashingSource hashed(tar);
    if (below == Below::Sound) {
      compare_with(hashed);
    } else {
      drain(hashed);
    }
    const bool same = tar.end() && hashed.size() == record_.info.tar_size &&
                      DiffId(hashed.finish()) == record_.info.diff_id;
    tar_is_exact_ = same;
    if (!same && findings_.empty()) {
      add("layer-digest-differs", object(),
          "the tar made from the store does not have the layer's digest");
    }
    // What is made from a wrong directory is wrong, too.
    if (findings_.empty()) compare_index();
  }

  void compare_index() {
    const std::string where = object() + "/" + store_file::kIndex;
    try {
      const auto differences = verify_layer_index(dirs_.open_directory(name_).get(),
                                                  dirs_.open_diff(name_), name_, 1, dirs_.format());
      if (differences.empty()) return;
      add("index-damaged", where,
          fmt::format("it does not say what diff holds, at {} first",
                      quoted(differences.front().path.absolute())));
    } catch (const Error& error) {
      if (error.code() == Errc::NotFound) return;  // it may be left out
      if (is_ours(error)) throw;
      add("index-damaged", where, error.message());
    }
  }

  void compare_with(ByteSource& tar) {
    auto lower = record_.info.parent ? dirs_.view(record_.info.parent) : nullptr;
    ExpectedTree expected(dirs_.staging(), std::move(lower), dirs_.format(), context_);
    ContentsWatch watch;
    // It was accepted once, by whatever limits held then.
    TarLimits limits;
    limits.entries = UINT64_MAX;
    limits.unpacked_bytes = UINT64_MAX;
    const auto reader = make_tar_reader(tar, TarDialect::Layer, limits, &watch);
    std::uint64_t entries = 0;
    std::uint64_t size = 0;
    while (const auto entry = reader->next()) {
      context_.check_interrupted();
      ++entries;
      if (has_contents(*entry)) size += entry->size;
      expected.add(*entry, reader->contents(), watch);
    }
    expected.finish();
    compare_record(entries, size);
    const Fd diff = dirs_.open_diff(name_);
    compare_diff_trees(
        expected.fd(), diff.get(),
        [this](Difference what, const RelPath& path, const std::string& detail) {
          add_difference(what, path, detail);
        },
        dirs_.format(), context_);
  }

  void compare_record(std::uint64_t entries, std::uint64_t size) {
    if (entries == record_.entries && size == record_.info.size) return;
    add("layer-record-damaged", object() + "/" + store_file::kLayer,
        fmt::format("it says {} entries of {} bytes, the tar has {} of {}", record_.entries,
                    record_.info.size, entries, size));
  }

  void add_difference(Difference what, const RelPath& path, const std::string& detail) {
    // A changed file has another time as well, and a lost one no attributes at all.
    if (changed_.contains(path)) return;
    switch (what) {
      case Difference::Missing:
        return add("layer-object-missing", object(&path), detail);
      case Difference::Extra:
        return add("layer-object-extra", object(&path), detail);
      case Difference::Changed:
        return add("layer-object-changed", object(&path), detail);
      case Difference::Contents:
        return add("layer-file-changed", object(&path), detail);
    }
  }

  /// A layer can be made again from itself exactly when all of its tar can.
  void settle_mends() {
    for (Finding& finding : findings_)
      finding.mend = tar_is_exact_ ? Mend::Repair : Mend::Archive;
  }

  /// A layer that was removed meanwhile was not damaged, it went.
  bool is_still_there() const {
    try {
      return dirs_.find_layer(record_.info.chain).has_value();
    } catch (const Error&) {
      return true;
    }
  }

  const StoreDirs& dirs_;
  const LayerRecord& record_;
  std::string name_;
  Context context_;
  std::vector<Finding> findings_;
  std::set<RelPath> changed_;
  bool tar_is_exact_ = false;
};

std::vector<LayerRecord> readable_layers(const StoreDirs& dirs) {
  std::vector<LayerRecord> records;
  for (const std::string& name : dirs.layout().names()) {
    try {
      const auto record = dirs.find_layer(ChainId::from_hex(name));
      if (record) records.push_back(*record);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): not a layer, or a damaged record
    }
  }
  return records;
}

/// Parents before children: what a layer should look like depends on what is below it.
void sort_parents_first(std::vector<LayerRecord>& records) {
  std::map<ChainId, std::optional<ChainId>> parents;
  for (const LayerRecord& record : records)
    parents.emplace(record.info.chain, record.info.parent);
  const auto depth = [&](const ChainId& chain) {
    std::size_t layers = 0;
    for (std::optional<ChainId> next = chain; next; ++layers) {
      const auto found = parents.find(*next);
      next = found == parents.end() ? std::nullopt : found->second;
    }
    return layers;
  };
  std::map<ChainId, std::size_t> depths;
  for (const LayerRecord& record : records)
    depths.emplace(record.info.chain, depth(record.info.chain));
  std::stable_sort(records.begin(), records.end(), [&](const auto& a, const auto& b) {
    return depths.at(a.info.chain) < depths.at(b.info.chain);
  });
}

}  // namespace

std::vector<Finding> check_deep(const StoreDirs& dirs, const Context& context) {
  std::vector<LayerRecord> records = readable_layers(dirs);
  sort_parents_first(records);
  std::set<ChainId> sound;
  std::vector<Finding> findings;
  std::size_t number = 0;
  for (const LayerRecord& record : records) {
    const std::string what = fmt::format("layer {}/{}", ++number, records.size());
    context.progress(what, 0, record.info.tar_size);
    const auto& parent = record.info.parent;
    const Below below = !parent || sound.contains(*parent) ? Below::Sound : Below::Damaged;
    std::vector<Finding> found = DeepLayerCheck(dirs, record, context).run(below);
    if (found.empty() && below == Below::Sound) sound.insert(record.info.chain);
    findings.insert(findings.end(), std::make_move_iterator(found.begin()),
                    std::make_move_iterator(found.end()));
  }
  return findings;
}

}  // namespace layerkit
