#include <fmt/format.h>

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
  std::string path = "/";
  std::size_t depth = 0;  ///< 0: no limit
  bool directories_only = false;
};

/// Draws a directory as tree(1) does.
class Drawing {
 public:
  Drawing(const LayerTree& tree, const Options& options) : tree_(tree), options_(options) {}

  void draw(const RelPath& directory, const std::string& indent, std::size_t depth);
  std::string counts() const {
    const std::string text =
        fmt::format("{} director{}", directories_, directories_ == 1 ? "y" : "ies");
    if (options_.directories_only) return text;
    return text + fmt::format(", {} file{}", files_, files_ == 1 ? "" : "s");
  }

 private:
  const LayerTree& tree_;
  const Options& options_;
  std::size_t directories_ = 0;
  std::size_t files_ = 0;
};

void Drawing::draw(const RelPath& directory, const std::string& indent, std::size_t depth) {
  std::vector<Entry> entries;
  for (const std::string& name : tree_.list(directory)) {
    auto entry = tree_.lookup(directory / name);
    if (entry && (entry->is_directory() || !options_.directories_only)) {
      entries.push_back(std::move(*entry));
    }
  }
  for (const Entry& entry : entries) {
    const bool is_last = &entry == &entries.back();
    std::string line = indent + (is_last ? "└── " : "├── ") + escaped(entry.path.name());
    if (entry.type == FileType::Symlink) line += " -> " + escaped(entry.symlink_target);
    print_line(line);
    ++(entry.is_directory() ? directories_ : files_);
    const bool goes_on = options_.depth == 0 || depth < options_.depth;
    if (entry.is_directory() && goes_on) {
      draw(entry.path, indent + (is_last ? "    " : "│   "), depth + 1);
    }
  }
}

void print_tree(Session& session, const Options& options) {
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  const auto tree = source->tree();
  line.finish();
  const Entry top = find_path(*tree, options.path, LastLink::Follow);
  if (!top.is_directory()) {
    fail(Errc::Invalid, "{}: it is a {}, not a directory", quoted(options.path),
         type_text(top.type));
  }
  print_line(escaped(top.path.absolute()));
  Drawing drawing(*tree, options);
  drawing.draw(top.path, "", 1);
  print_line("\n" + drawing.counts());
}

}  // namespace

void add_tree(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("tree", "Draw an image's files as a tree, without mounting it")
          ->group(kContents);
  command->footer(kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_option("-L,--level", options->depth, "Go down so many levels only")
      ->type_name("N")
      ->check(at_least_one());
  command->add_flag("-d,--directories", options->directories_only, "Show directories only");
  add_image_argument(*command, options->image);
  command->add_option("path", options->path, "Directory")->type_name("PATH")->default_str("/");
  command->callback([&session, options] { print_tree(session, *options); });
}

}  // namespace layerkit::cli
