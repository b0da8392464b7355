#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string input;
  ImageTarget target;
  std::string platform;
  ImportRequest request;
};

void import(Session& session, Options& options) {
  const ImageDestination destination(options.target);
  if (!options.platform.empty()) options.request.platform = Platform::parse(options.platform);
  const bool is_stdin = options.input == "-";
  if (is_stdin && ::isatty(STDIN_FILENO) == 1) {
    fail(Errc::Invalid, "standard input is a terminal: redirect a tar into it");
  }
  options.request.created = creation_time();
  if (options.request.comment.empty()) {
    options.request.comment = "Imported from " + (is_stdin ? "-" : escaped(options.input));
  }
  const std::string name = is_stdin ? "standard input" : options.input;
  const Fd file = is_stdin ? Fd() : open_at(AT_FDCWD, options.input, O_RDONLY);
  FdSource bytes(is_stdin ? STDIN_FILENO : file.get(), name);
  ProgressLine line;
  const Context context = line.attach(session.context);
  with_context([&] { return "importing " + quoted(name); },
               [&] {
                 destination.put(
                     session,
                     import_image(read_layer(bytes, name, context), options.request, context),
                     context);
               });
}

}  // namespace

void add_import(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("import", "Make an image of a tar of a root file system")->group(kImages);
  command->footer(
      "NAME may be an archive, too: docker-archive:FILE[:NAME], oci-archive:FILE[:NAME] or "
      "oci:DIR[:NAME]. The tar may be compressed; its bytes become the layer as they are. "
      "SOURCE_DATE_EPOCH, where set, is the time of the image.");
  auto options = std::make_shared<Options>();
  add_change_option(*command, options->request.changes);
  command->add_option("-m,--message", options->request.comment, "Comment of the image's history")
      ->type_name("TEXT");
  command
      ->add_option("--platform", options->platform,
                   "Platform of the image (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  add_compress_option(*command, options->target.compress);
  command->add_option("file", options->input, "Tar, or - for standard input")
      ->type_name("FILE|-")
      ->required();
  command->add_option("name", options->target.destination, "Name of the new image")
      ->type_name("NAME[:TAG]");
  command->callback([&session, options] { import(session, *options); });
}

}  // namespace layerkit::cli
