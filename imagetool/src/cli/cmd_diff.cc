#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/compared_side.h"
#include "cli/image_argument.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/tree_changes.h"
#include "template.h"
#include "text_diff.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string first;
  std::string second;
  std::string platform;
  std::string format;
  bool content = false;
};

/// Of each of two texts that are compared line by line.
constexpr std::size_t kMaxText = std::size_t{1} << 20;

void print_changes(Session& session, const std::string& container) {
  std::string_view name = container;
  if (name.starts_with(kContainerPrefix)) name.remove_prefix(kContainerPrefix.size());
  const ContainerInfo info =
      ContainerStore(session.store_with("container", std::string(name))).find(name);
  Store& layers = session.store().layers();
  const auto image = layers.view(layers.container_parent(info.id));
  const auto changes = committable_changes(layers, info.id, session.context);
  for (const auto& change : summarize_changes(*changes, *image)) {
    print_line(std::string(1, change_letter(change.kind)) + " " + escaped(change.path.absolute()));
  }
}

/// All fields are empty where there is nothing.
nlohmann::ordered_json side_row(const std::optional<Entry>& entry) {
  nlohmann::ordered_json row = object_row(entry.value_or(Entry()), false);
  if (entry && entry->is_whiteout()) {
    for (auto& [field, value] : row.items())
      if (field != "Path") value = "";
    row["Type"] = "whiteout";
  }
  if (entry) return row;
  for (auto& [field, value] : row.items())
    value = "";
  return row;
}

/// In what the contents of a file differ.
struct ContentDiff {
  std::string kind;  ///< "text", "binary", "large"; empty: in nothing, or it is no such file
  std::string text;  ///< hunks of diff -u
};

bool differs_in_contents(const TreeChange& change) {
  if (change.kind != ChangeKind::Modified) return false;
  return std::ranges::any_of(
      change.changes, [](const std::string& word) { return word == "size" || word == "contents"; });
}

ContentDiff content_diff(const TreeChange& change,
                         const LayerTree& before,
                         const LayerTree& after) {
  if (!differs_in_contents(change)) return {};
  if (std::max(change.before->size, change.after->size) > kMaxText) return {"large", {}};
  const auto read = [&](const LayerTree& tree) {
    return read_all(*tree.open(change.path), kMaxText, change.path.absolute());
  };
  const std::string old_text = read(before);
  const std::string new_text = read(after);
  if (!is_text(old_text) || !is_text(new_text)) return {"binary", {}};
  return {"text", unified_hunks(old_text, new_text)};
}

/// JSON has no other text than UTF-8.
std::string as_utf8(const std::string& text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace))
      .get<std::string>();
}

nlohmann::ordered_json change_row(const TreeChange& change, const ContentDiff& content) {
  nlohmann::ordered_json row = {{"Kind", std::string(1, change_letter(change.kind))},
                                {"Path", name_text(change.path.absolute())},
                                {"Changes", fmt::format("{}", fmt::join(change.changes, ", "))}};
  row["Before"] = side_row(change.before);
  row["After"] = side_row(change.after);
  row["Content"] = content.kind;
  row["Diff"] = as_utf8(content.text);
  return row;
}

std::string change_line(const TreeChange& change) {
  std::string line =
      std::string(1, change_letter(change.kind)) + " " + escaped(change.path.absolute());
  if (!change.changes.empty()) line += fmt::format(" ({})", fmt::join(change.changes, ", "));
  return line;
}

/// Lines of a file: on a terminal without what it would obey.
void print_text(const std::string& text) {
  static const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  if (!is_terminal) return print(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    print(is_control ? fmt::format("\\x{:02x}", byte) : std::string(1, c));
  }
}

void print_content(const TreeChange& change, const ContentDiff& content) {
  const std::string path = escaped(change.path.str());
  if (content.kind == "text") {
    print_line(fmt::format("--- a/{}\n+++ b/{}", path, path));
    print_text(content.text);
  } else if (content.kind == "binary") {
    print_line(fmt::format("Binary files a/{} and b/{} differ", path, path));
  } else if (content.kind == "large") {
    print_line(fmt::format("Files a/{} and b/{} differ, and have more than {} bytes", path, path,
                           kMaxText));
  }
}

void print_difference(Session& session, const Options& options) {
  std::optional<Template> format;
  if (!options.format.empty()) {
    format = Template::parse(options.format == "json" ? "{{json .}}" : options.format);
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  const ComparedSide before = open_compared_side(session, options.first, options.platform, context);
  const ComparedSide after = open_compared_side(session, options.second, options.platform, context);
  line.finish();
  compare_trees(
      *before.tree, *after.tree,
      [&](const TreeChange& change) {
        ContentDiff content;
        if (options.content) content = content_diff(change, *before.tree, *after.tree);
        if (format) {
          print_line(format->render(change_row(change, content), Template::Strings::Escaped));
          return;
        }
        print_line(change_line(change));
        print_content(change, content);
      },
      session.context);
}

void print_diff(Session& session, const Options& options) {
  if (!options.second.empty()) return print_difference(session, options);
  if (!options.format.empty() || !options.platform.empty() || options.content) {
    fail(Errc::Invalid, "--content, --format and --platform are for two operands");
  }
  print_changes(session, options.first);
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("diff",
                         "Inspect changes to files on a container's filesystem, or compare two "
                         "images, containers or layers")
          ->group(kContainers);
  command->footer(std::string("A: added   C: changed   D: deleted\n\n") + kComparedSideHelp +
                  "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_flag("--content", options->content,
                    "Of two operands: show how text files differ, as diff -u does, up to 1 MiB");
  command
      ->add_option("--format", options->format,
                   "Of two operands: 'json', one object a line, or a TEMPLATE such as '{{.Path}}'")
      ->type_name("FORMAT");
  command
      ->add_option("--platform", options->platform,
                   "Of images for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command->add_option("container", options->first, "Container, or what is compared")
      ->type_name("CONTAINER|IMAGE")
      ->required();
  command->add_option("image", options->second, "What it is compared with")
      ->type_name("CONTAINER|IMAGE");
  command->callback([&session, options] { print_diff(session, *options); });
}

}  // namespace layerkit::cli
