#pragma once

#include <sys/types.h>

#include <string>

#include "layerkit/base/fd.h"

namespace layerkit {

/// A file that appears under its name when it is complete, in place of an older one, or not at all.
/// A name that is no regular file (a pipe, a device) is written to directly.
class OutputFile {
 public:
  /// `path`: a path the user gave; a symlink is followed. "-": standard output.
  explicit OutputFile(const std::string& path);
  /// `name`: one in `directory`.
  OutputFile(Fd directory, const std::string& name, mode_t mode);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const noexcept { return file_.get(); }
  /// What errors call it.
  const std::string& name() const noexcept { return name_; }
  /// Makes the bytes durable and publishes the name.
  void commit();

 private:
  void open_replacement(const std::string& path);
  void open_temporary(mode_t mode);
  /// False when there is such a name.
  bool link_nameless(const std::string& name) const;

  std::string name_;
  Fd file_;
  Fd dir_;                 ///< unset: written directly
  std::string base_;       ///< final name in `dir_`
  std::string temporary_;  ///< name in `dir_` until then
  bool is_named_ = false;  ///< `temporary_` exists
};

}  // namespace layerkit
