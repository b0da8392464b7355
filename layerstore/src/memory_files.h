#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory_resource>
#include <string>
#include <vector>

#include "draft_arena.h"
#include "draft_files.h"
#include "file_names.h"
#include "layerkit/layerstore/tar.h"
#include "tally.h"

namespace layerkit {

/// A file of a layer that is known, but nowhere made. Lies in the draft's arena.
struct DraftFile {
  explicit DraftFile(std::pmr::memory_resource* arena)
      : text(arena), xattrs(arena), extents(arena) {}

  FileType type = FileType::Regular;
  bool is_lower = false;  ///< copied up: its contents are those of the lower view's file
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint32_t links = 0;
  std::uint64_t number = 0;
  std::uint64_t nid = 0;  ///< where an EROFS index has it; 0: nowhere yet
  std::uint64_t size = 0;
  Timestamp mtime;
  std::pmr::string text;    ///< a symlink's target; the lower file's path
  std::pmr::string xattrs;  ///< as encode_xattrs has it
  std::pmr::vector<TarExtent> extents;
};

/// The objects of a draft in its arena. Contents are not read: it is remembered where they are.
class MemoryFiles final : public DraftFiles {
 public:
  /// `extents`: where the contents are of what is created now.
  MemoryFiles(DraftArena& arena, std::function<std::vector<TarExtent>()> extents)
      : arena_(arena), extents_(std::move(extents)), names_(arena) {}

  bool make_dir(DraftDir& dir) override;
  void remove_dir(DraftDir& dir) override;
  void finish_dir(DraftDir& dir,
                  const RelPath& path,
                  const DirAttributes& attributes,
                  bool opaque) override;
  std::optional<FileType> type_at(DraftDir& dir, std::string_view name) override;
  std::string link_target(DraftDir& dir, std::string_view name) override;
  Outcome create(DraftDir& dir,
                 const std::string& name,
                 const Entry& entry,
                 ByteSource& contents) override;
  void copy_up(DraftDir& dir,
               const std::string& name,
               const Entry& entry,
               const LayerTree& lower) override;
  bool link(DraftDir& from,
            const std::string& from_name,
            DraftDir& dir,
            const std::string& name) override;
  void update(DraftDir& dir, const std::string& name, const Entry& entry) override;
  void remove_file(DraftDir& dir, std::string_view name) override;
  void white_out(DraftDir& dir, const std::string& name) override;
  bool holds_aside(const RelPath& path) override { return aside_.contains(path.name()); }
  void add_aside(const Entry& entry, ByteSource& contents) override;
  void link_aside(DraftDir& from, const std::string& from_name, const RelPath& path) override;
  bool link_from_aside(const RelPath& path, DraftDir& dir, const std::string& name) override;
  void drop_aside() override;
  void report(const Context& context) override { lost_xattrs_.report(context); }

 private:
  using Aside = std::pmr::map<std::pmr::string, DraftFile*, std::less<>>;

  void need(DraftDir& dir);
  DraftFile& make(const Entry& entry);
  void set_attributes(DraftFile& file, const Entry& entry);
  bool add_name(DraftDir& dir, std::string_view name, DraftFile& file);
  void drop_name(FileName& name);
  void keep_aside(const RelPath& path, DraftFile& file);
  void drop_aside(Aside::iterator at);
  void unlink(DraftFile& file);
  DraftFile& file_at(DraftDir& dir, std::string_view name) { return *names_.find(dir, name)->file; }

  DraftArena& arena_;
  std::function<std::vector<TarExtent>()> extents_;
  FileNames names_;
  Aside aside_{&arena_};
  std::uint64_t files_ = 0;  ///< made so far
  Tally lost_xattrs_{"user extended attributes that no file system can store were dropped"};
};

}  // namespace layerkit
