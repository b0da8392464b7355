#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "draft_files.h"
#include "files_aside.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/diff_format.h"
#include "object_writer.h"

namespace layerkit {

/// The objects of a draft in a diff directory.
class DiskFiles final : public DraftFiles {
 public:
  /// `before_removal` must outlive it.
  DiskFiles(Fd diff,
            DiffFormat format,
            const Context& context,
            const BeforeRemoval& before_removal);

  /// Of the diff directory.
  int root_fd() const noexcept { return disk_.fd(); }

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
  bool holds_aside(const RelPath& path) override { return aside_.holds(path); }
  void add_aside(const Entry& entry, ByteSource& contents) override { aside_.add(entry, contents); }
  void link_aside(DraftDir& from, const std::string& from_name, const RelPath& path) override;
  bool link_from_aside(const RelPath& path, DraftDir& dir, const std::string& name) override;
  void drop_aside() override { aside_.remove(); }
  void report(const Context& /*context*/) override { objects_.report(); }

 private:
  struct OpenDir {
    const DraftDir* dir = nullptr;
    Fd fd;
    std::uint64_t last_use = 0;
  };

  /// Descriptor of the directory, made when it is not yet. Stays open at least until the third next
  /// call.
  int fd(DraftDir& dir);
  OpenDir* find_open(const DraftDir& dir);

  RootDir disk_;
  ObjectWriter objects_;
  FilesAside aside_;
  std::array<OpenDir, 8> open_;
  std::uint64_t uses_ = 0;
};

}  // namespace layerkit
