#include "cli/make_container.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/command_line.h"
#include "layerkit/base/file.h"

namespace layerkit::cli {
namespace {

/// A container starts with the limit of open files that this program was started with.
void keep_descriptor_limit(const Session& session, HostOptions& options) {
  const auto& limit = session.container_descriptors;
  if (!limit) return;
  const bool given = std::ranges::any_of(
      options.ulimits, [&](const Rlimit& asked) { return asked.resource == limit->resource; });
  if (!given) options.ulimits.push_back(*limit);
}

}  // namespace

CidFile::CidFile(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  file_ = open_at(AT_FDCWD, path_, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

CidFile::~CidFile() {
  if (file_ && !written_) ::unlink(path_.c_str());
}

void CidFile::write(const std::string& id) {
  if (!file_) return;
  write_all(file_.get(), id, path_);
  written_ = true;
}

ContainerInfo make_container(Session& session,
                             ContainerStore& store,
                             const RunOptions& options,
                             const std::string& image,
                             CidFile& cidfile) {
  std::vector<std::string> arguments = {image};
  arguments.insert(arguments.end(), session.command_arguments.begin(),
                   session.command_arguments.end());
  RunRequest request = to_request(options, arguments);
  keep_descriptor_limit(session, request.options);
  require_mountable(session.store().layers(), request.backend);
  ContainerInfo container = create_container(store, request, session.context);
  cidfile.write(container.id);
  return container;
}

void declare_image_and_command(CLI::App& command, std::string& image, std::string& words) {
  command.add_option("image", image, "Image")->type_name("IMAGE")->required();
  // For the usage line; what follows IMAGE is never parsed: prepare_command_line takes it away.
  command.add_option(kCommandPositional, words, "Command and its arguments")
      ->type_name("COMMAND [ARG...]");
}

int exit_code_of(StartFailure failure) {
  switch (failure) {
    case StartFailure::NotExecutable:
      return 126;
    case StartFailure::NotFound:
      return 127;
    case StartFailure::Setup:
      break;
  }
  return 125;
}

}  // namespace layerkit::cli
