#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "archive/output_file.h"
#include "cli/commands.h"
#include "cli/compared_side.h"
#include "cli/image_argument.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/compared_tree.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/layerstore/tar.h"
#include "layerkit/layerstore/tree_reader.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  std::string output;
};

void write_tar(LayerReader& entries, const std::string& output, const Context& context) {
  OutputFile file(output.empty() ? "-" : output);
  FdSink sink(file.fd(), file.name());
  const auto writer = make_tar_writer(sink);
  copy_layer(entries, *writer, context);
  file.commit();
}

/// A container is meant first, as docker's command takes no images. Whoever cannot open the store
/// means none.
std::unique_ptr<ContainerStore> find_container(Session& session,
                                               std::string name,
                                               std::optional<ContainerInfo>& found) {
  const bool must_be = name.starts_with(kContainerPrefix);
  if (must_be) name.erase(0, kContainerPrefix.size());
  // No container is called so.
  if (!must_be && name.find_first_of("/:@") != std::string::npos) return nullptr;
  try {
    auto containers = std::make_unique<ContainerStore>(session.store_with("container", name));
    found = containers->find(name);
    return containers;
  } catch (const Error& error) {
    if (must_be || (error.code() != Errc::NotFound && error.sys_errno() != EACCES)) throw;
    return nullptr;
  }
}

void export_container(ContainerStore& containers,
                      const ContainerInfo& container,
                      const std::string& output,
                      const Context& context) {
  const auto tree = compared_container(containers, container, context);
  write_tar(*make_tree_reader(tree, nullptr, context), output, context);
}

void export_tree(Session& session, const Options& options) {
  if (options.output.empty() && ::isatty(STDOUT_FILENO) == 1) {
    fail(Errc::Invalid, "cowardly refusing to export to a terminal. Use the -o flag or redirect");
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  std::optional<ContainerInfo> container;
  const auto containers = find_container(session, options.image.reference, container);
  with_context([&] { return "exporting " + layerkit::quoted(options.image.reference); },
               [&] {
                 if (container)
                   return export_container(*containers, *container, options.output, context);
                 const std::shared_ptr<ImageSource> source =
                     open_image(session, options.image, context);
                 write_tar(*read_root_filesystem(source, context), options.output, context);
               });
}

}  // namespace

void add_export(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand(
             "export",
             "Write the root file system of a container or an image as a tar (STDOUT by default)")
          ->group(kImages);
  command->footer(
      std::string("A container, as `commit` would take it, is found by its name or ID, or as "
                  "container:NAME; else an image is meant. ") +
      kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Write to a file, not STDOUT")
      ->type_name("FILE");
  add_image_argument(*command, options->image);
  command->callback([&session, options] { export_tree(session, *options); });
}

}  // namespace layerkit::cli
