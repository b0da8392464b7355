#pragma once

#include <string>

#include "cli/run_options.h"
#include "cli/session.h"
#include "layerkit/base/fd.h"

namespace layerkit::cli {

/// A file that receives the ID. Made before the container, so that an existing one is refused.
class CidFile {
 public:
  /// Empty path: none.
  explicit CidFile(const std::string& path);
  CidFile(const CidFile&) = delete;
  CidFile& operator=(const CidFile&) = delete;
  /// Without an ID in it, it would only be in the way of the next attempt.
  ~CidFile();

  void write(const std::string& id);
  void discard() noexcept { written_ = false; }

 private:
  std::string path_;
  Fd file_;
  bool written_ = false;
};

/// What `run` and `create` have in common: makes the container that the command line asks for.
ContainerInfo make_container(Session& session,
                             ContainerStore& store,
                             const RunOptions& options,
                             const std::string& image,
                             CidFile& cidfile);

/// IMAGE [COMMAND] [ARG...] of `run` and `create`.
void declare_image_and_command(CLI::App& command, std::string& image, std::string& words);

/// Docker's exit codes for a container that did not start: 125, 126, 127.
int exit_code_of(StartFailure failure);

}  // namespace layerkit::cli
