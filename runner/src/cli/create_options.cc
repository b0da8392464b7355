#include "cli/create_options.h"

#include "cli/inherited_descriptors.h"

namespace layerkit::cli {

CreateRequest CreateOptions::take() {
  request.preserved = inherited_descriptors(preserved, &request.env);
  return std::move(request);
}

void add_create_options(CLI::App& command, CreateOptions& options) {
  CreateRequest& request = options.request;
  command.add_option("container", request.id, "Name of the new container")
      ->type_name("NAME")
      ->required();
  command.add_option("-b,--bundle", request.bundle, "Directory of the bundle")
      ->type_name("DIR")
      ->default_str(".");
  command
      .add_option("-f,--config", request.config,
                  "Configuration, instead of the bundle's config.json")
      ->type_name("FILE");
  command
      .add_option("--console-socket", request.console_socket,
                  "Unix socket that gets the master of the terminal")
      ->type_name("FILE");
  command.add_option("--pid-file", request.pid_file, "File for the process ID")->type_name("FILE");
  command
      .add_option("--pidfd-socket", request.pidfd_socket,
                  "Unix socket that gets a pidfd of the process")
      ->type_name("FILE");
  command
      .add_option("--preserve-fds", options.preserved,
                  "Descriptors that the process gets beside its standard streams")
      ->type_name("NUMBER")
      ->default_str("0")
      ->check(CLI::Range(0U, 1024U));
  command.add_flag("--no-pivot{false}", request.pivots,
                   "Change the root by chroot, for a root file system in memory (initramfs)");
  command.add_flag("--no-new-keyring{false}", request.new_keyring,
                   "Keep the session keyring of the caller");
}

}  // namespace layerkit::cli
