#include <unistd.h>

#include <memory>

#include "archive/output_file.h"
#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/layerstore/tar.h"

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

void export_tree(Session& session, const Options& options) {
  if (options.output.empty() && ::isatty(STDOUT_FILENO) == 1) {
    fail(Errc::Invalid, "cowardly refusing to export to a terminal. Use the -o flag or redirect");
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  with_context([&] { return "exporting " + layerkit::quoted(options.image.reference); },
               [&] { write_tar(*read_root_filesystem(source, context), options.output, context); });
}

}  // namespace

void add_export(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("export",
                         "Write the root file system of an image as a tar (STDOUT by default)")
          ->group(kImages);
  command->footer(kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Write to a file, not STDOUT")
      ->type_name("FILE");
  add_image_argument(*command, options->image);
  command->callback([&session, options] { export_tree(session, *options); });
}

}  // namespace layerkit::cli
