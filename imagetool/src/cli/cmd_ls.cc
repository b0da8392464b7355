#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/tree_path.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  std::vector<std::string> paths;
  std::string format;
  bool long_format = false;
  bool recursive = false;
  bool directory = false;
  bool human = false;
};

/// One directory's names, or a single object, as ls shows them.
class Lister {
 public:
  Lister(const LayerTree& tree, const Options& options) : tree_(tree), options_(options) {}

  void list(const std::string& path, bool with_title);

 private:
  void list_directory(const RelPath& directory, bool with_title);
  void print_lines(const std::vector<std::pair<std::string, Entry>>& objects);
  void print_formatted(const std::vector<std::pair<std::string, Entry>>& objects);

  const LayerTree& tree_;
  const Options& options_;
  bool is_first_ = true;
};

void Lister::list(const std::string& path, bool with_title) {
  const bool keeps_link = options_.long_format || options_.directory;
  const bool ends_with_slash = path.ends_with('/');
  const Entry entry =
      find_path(tree_, path, keeps_link && !ends_with_slash ? LastLink::Keep : LastLink::Follow);
  if (!entry.is_directory() || options_.directory) {
    print_lines({{path, entry}});
    is_first_ = false;
    return;
  }
  list_directory(entry.path, with_title || options_.recursive);
}

void Lister::list_directory(const RelPath& directory, bool with_title) {
  std::vector<std::pair<std::string, Entry>> objects;
  for (std::string& name : tree_.list(directory)) {
    auto entry = tree_.lookup(directory / name);
    if (entry) objects.emplace_back(std::move(name), std::move(*entry));
  }
  if (with_title && options_.format.empty()) {
    print_line((is_first_ ? "" : "\n") + escaped(directory.absolute()) + ":");
  }
  is_first_ = false;
  print_lines(objects);
  if (!options_.recursive) return;
  for (const auto& [name, entry] : objects) {
    if (entry.is_directory()) list_directory(entry.path, true);
  }
}

void Lister::print_lines(const std::vector<std::pair<std::string, Entry>>& objects) {
  if (!options_.format.empty()) return print_formatted(objects);
  if (!options_.long_format) {
    for (const auto& [name, entry] : objects)
      print_line(escaped(name));
    return;
  }
  std::vector<LongLine> lines;
  for (const auto& [name, entry] : objects)
    lines.push_back(long_line(name, entry, options_.human));
  print(align_long_lines(lines));
}

void Lister::print_formatted(const std::vector<std::pair<std::string, Entry>>& objects) {
  std::vector<nlohmann::ordered_json> rows;
  for (const auto& [name, entry] : objects)
    rows.push_back(object_row(entry, options_.human));
  print(render_listing(object_listing(), {false, options_.format}, rows));
}

void list_paths(Session& session, const Options& options) {
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  const auto tree = source->tree();
  line.finish();
  Lister lister(*tree, options);
  const std::vector<std::string> root{"/"};
  const auto& paths = options.paths.empty() ? root : options.paths;
  for (const std::string& path : paths)
    session.attempt([&] { lister.list(path, paths.size() > 1); });
}

}  // namespace

void add_ls(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("ls", "List files of an image, without mounting it")->group(kContents);
  command->footer(kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_flag("-l,--long", options->long_format,
                    "Show type, mode, owner, size, time and target");
  command->add_flag("-R,--recursive", options->recursive, "List directories with all below them");
  command->add_flag("-d,--directory", options->directory, "List directories themselves");
  command->add_flag("--human", options->human, "Print sizes for people: 1.2MB");
  add_format_option(*command, options->format);
  add_image_argument(*command, options->image);
  command->add_option("path", options->paths, "Files or directories (default: /)")
      ->type_name("PATH");
  command->callback([&session, options] { list_paths(session, *options); });
}

}  // namespace layerkit::cli
