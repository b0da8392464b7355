#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/tree_path.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  std::vector<std::string> paths;
};

class OutputSink final : public ByteSink {
 public:
  void write(std::span<const std::byte> bytes) override {
    print({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};

void print_file(const LayerTree& tree, const std::string& path) {
  const Entry entry = find_path(tree, path, LastLink::Follow);
  if (entry.type != FileType::Regular) {
    fail(Errc::Invalid, "{}: it is a {}, not a regular file", quoted(path), type_text(entry.type));
  }
  OutputSink output;
  copy_bytes(*tree.open(entry.path), output);
}

void print_files(Session& session, const Options& options) {
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  const auto tree = source->tree();
  line.finish();
  for (const std::string& path : options.paths)
    session.attempt([&] { print_file(*tree, path); });
}

}  // namespace

void add_cat(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("cat", "Print files of an image, without mounting it")->group(kContents);
  command->footer(kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_image_argument(*command, options->image);
  command->add_option("path", options->paths, "Files")->type_name("PATH")->required();
  command->callback([&session, options] { print_files(session, *options); });
}

}  // namespace layerkit::cli
