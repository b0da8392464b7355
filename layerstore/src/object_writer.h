#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "draft_files.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/diff_format.h"
#include "tally.h"

namespace layerkit {

/// Makes single objects of a diff directory with exactly the attributes asked for,
/// whatever umask, setgid directories and default ACLs would say. Never follows a symlink, never
/// touches an object it did not make. Not thread-safe.
class ObjectWriter {
 public:
  ObjectWriter(DiffFormat format, const Context& context);

  using Outcome = DraftFiles::Outcome;

  /// Makes what `entry` says (no directory, no hard link) under `name`. Exists, and nothing read
  /// from `contents`, when the name exists; NotPermitted for a device that this user may not make.
  /// Throws Error{Integrity} when a regular file's contents are not `entry.size` bytes.
  Outcome create(int dir_fd, const std::string& name, const Entry& entry, ByteSource& contents);
  /// What the union takes for "not here".
  void create_whiteout(int dir_fd, const std::string& name);

  /// Gives the directory `fd` its attributes. To be called last: later changes in it move its time.
  void finish_directory(int fd, const std::string& path, const DirAttributes& attributes);
  void mark_opaque(int fd);
  /// Takes what the directory got from the one that holds the store: setgid, default ACLs.
  void neutralize_root(int fd);

  /// A hard link's header describes the file it links to: the last one counts. Extended
  /// attributes are added and replaced, not removed: many writers leave them out of link headers.
  void update_linked(int dir_fd, const std::string& name, const Entry& entry, const FileStat& now);

  /// Says what could not be stored.
  void report() const;

 private:
  bool create_file(int dir_fd, const std::string& name, const Entry& entry, ByteSource& contents);
  void write_contents(int fd, const Entry& entry, ByteSource& contents);
  bool write_sparsely(int fd, const std::string& path, std::size_t size);
  void apply_to_name(int dir_fd, const std::string& name, const Entry& entry);
  void apply_xattrs(int dir_fd,
                    const std::string& name,
                    const std::string& path,
                    const Xattrs& all);
  void set_time(int fd, const std::string& path, Timestamp mtime);
  void set_time_of_name(int dir_fd, const std::string& name, const Entry& entry);

  DiffFormat format_;
  Context context_;
  std::vector<std::byte> buffer_;
  Tally lost_xattrs_{"user extended attributes that the file system cannot store were dropped"};
  Tally lost_devices_{"devices that this user may not make were left out"};
  Tally moved_times_{"times beyond the range of the file system were changed"};
};

}  // namespace layerkit
