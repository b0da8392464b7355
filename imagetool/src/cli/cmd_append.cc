#include <fcntl.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
  std::string input;
  std::string message;
};

LayerInput read_input(const std::string& input,
                      const std::shared_ptr<ImageSource>& source,
                      const Context& context) {
  Fd file = input == "-" ? Fd() : open_at(AT_FDCWD, input, O_RDONLY);
  if (!file) {
    FdSource bytes(STDIN_FILENO, "standard input");
    return read_layer(bytes, "standard input", context);
  }
  if (stat_fd(file.get()).type == FileType::Directory) {
    return read_layer_directory(std::move(file), source->tree(), context);
  }
  FdSource bytes(file.get(), input);
  return read_layer(bytes, input, context);
}

void append(Session& session, const Options& options) {
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  nlohmann::json record = {{"created", creation_time()},
                           {"created_by", "imagetool append " + escaped(options.input)}};
  if (!options.message.empty()) record["comment"] = options.message;
  LayerInput layer = with_context([&] { return "appending " + quoted(options.input); },
                                  [&] { return read_input(options.input, source, context); });
  destination.put(session, append_layer(source, std::move(layer), std::move(record), context),
                  context);
}

}  // namespace

void add_append(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("append", "Put one more layer on an image")->group(kRewriting);
  command->footer(
      std::string("LAYER is a tar, perhaps compressed, - for standard input, or a directory. Names "
                  "that start with .wh. hide what is below, in a directory, too.\n\n") +
      kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_option("-m,--message", options->message, "Comment of the layer's history")
      ->type_name("TEXT");
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->add_option("layer", options->input, "Layer")->type_name("LAYER.tar|DIR|-")->required();
  command->callback([&session, options] { append(session, *options); });
}

}  // namespace layerkit::cli
