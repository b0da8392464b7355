#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "draft_dir.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// Where the objects of a layer under construction are: in a diff directory (DiskFiles), or in
/// memory only (MemoryFiles). A "file" is what is no directory. Names are those of one directory.
/// Not thread-safe.
class DraftFiles {
 public:
  DraftFiles() = default;
  DraftFiles(const DraftFiles&) = delete;
  DraftFiles& operator=(const DraftFiles&) = delete;
  virtual ~DraftFiles() = default;

  enum class Outcome {
    Created,
    Exists,        ///< the name is taken by a file; nothing was read
    NotPermitted,  ///< this user may not make such a device
  };

  /// Makes the directory unless it is made; its parents too. False when a file is in the way.
  virtual bool make_dir(DraftDir& dir) = 0;
  /// Removes a made directory with all that is in it. The caller forgets `dir`.
  virtual void remove_dir(DraftDir& dir) = 0;
  /// To be called last, children first: later changes would move its time. `opaque`: it does not
  /// show the lower directory.
  virtual void finish_dir(DraftDir& dir,
                          const RelPath& path,
                          const DirAttributes& attributes,
                          bool opaque) = 0;

  /// REQUIRES: `dir` is made.
  virtual std::optional<FileType> type_at(DraftDir& dir, std::string_view name) = 0;
  virtual std::string link_target(DraftDir& dir, std::string_view name) = 0;
  /// Makes what `entry` says (no directory, no hard link). Throws Error{Integrity} when a regular
  /// file's contents are not `entry.size` bytes.
  virtual Outcome create(DraftDir& dir,
                         const std::string& name,
                         const Entry& entry,
                         ByteSource& contents) = 0;
  /// Makes the file that `lower` has at the same path.
  virtual void copy_up(DraftDir& dir,
                       const std::string& name,
                       const Entry& entry,
                       const LayerTree& lower) = 0;
  /// Gives a file one more name. False when that is taken by a file.
  virtual bool link(DraftDir& from,
                    const std::string& from_name,
                    DraftDir& dir,
                    const std::string& name) = 0;
  /// A hard link's header describes the file it links to: the last one counts. Extended
  /// attributes are added and replaced, not removed: many writers leave them out of link headers.
  virtual void update(DraftDir& dir, const std::string& name, const Entry& entry) = 0;
  virtual void remove_file(DraftDir& dir, std::string_view name) = 0;
  virtual void white_out(DraftDir& dir, const std::string& name) = 0;

  // Files of AUFS's `.wh..wh.plnk`, which are no part of the layer. REQUIRES: is_aufs_link(path).

  virtual bool holds_aside(const RelPath& path) = 0;
  virtual void add_aside(const Entry& entry, ByteSource& contents) = 0;
  /// Keeps another name of a file of the layer.
  virtual void link_aside(DraftDir& from, const std::string& from_name, const RelPath& path) = 0;
  /// False when the name is taken by a file.
  virtual bool link_from_aside(const RelPath& path, DraftDir& dir, const std::string& name) = 0;
  virtual void drop_aside() = 0;

  /// Says what could not be stored.
  virtual void report(const Context& context) = 0;
};

}  // namespace layerkit
