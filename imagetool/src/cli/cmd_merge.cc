#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_merge.h"
#include "layerkit/imagetool/tree_path.h"
#include "template.h"

namespace layerkit::cli {
namespace {

const std::map<std::string, OnConflict> kPolicies = {
    {"fail", OnConflict::Fail},
    {"first", OnConflict::First},
    {"last", OnConflict::Last},
};

struct Options {
  ImageArgument first;
  std::vector<std::string> others;
  ImageTarget target;
  std::string config_from;
  std::string on_conflict;
  std::string format;
  bool trees = false;

  /// All of them, as the user wrote them.
  std::vector<std::string> images() const {
    std::vector<std::string> images{first.reference};
    images.insert(images.end(), others.begin(), others.end());
    return images;
  }
};

const ListingStyle& conflict_listing() {
  static const ListingStyle kStyle{{{"Path", "PATH"},
                                    {"Differs", "DIFFERS"},
                                    {"Types", "TYPES"},
                                    {"Images", "IMAGES"},
                                    {"Taken", "TAKEN"},
                                    {"Versions", "VERSIONS"}},
                                   "{{.Path}}\t{{.Differs}}\t{{.Images}}\t{{.Taken}}",
                                   "Path"};
  return kStyle;
}

/// Shows conflicts as they are found; a table when all are known.
class ConflictList {
 public:
  ConflictList(const Options& options, bool is_taken)
      : images_(options.images()), format_(options.format), is_taken_(is_taken) {
    const std::string& format = options.format;
    is_table_ = format.starts_with("table");
    // A format that is wrong is an error also without conflicts.
    if (is_table_) render_listing(conflict_listing(), {false, format}, {});
    if (!format.empty() && !is_table_) {
      template_ = Template::parse(format == "json" ? "{{json .}}" : format);
    }
  }

  void add(const TreeConflict& conflict) {
    if (is_table_) {
      rows_.push_back(row(conflict));
    } else if (template_) {
      auto fields = row(conflict);
      for (const auto& version : conflict.versions) {
        auto object = object_row(version.entry, false);
        object["Image"] = name_text(images_[version.image]);
        fields["Versions"].push_back(std::move(object));
      }
      print_line(template_->render(fields, Template::Strings::Escaped));
    } else {
      print_line(line(conflict));
    }
  }

  void finish() {
    if (is_table_) print(render_listing(conflict_listing(), {false, format_}, rows_));
  }

 private:
  std::string images_of(const TreeConflict& conflict) const {
    std::string text;
    for (const auto& version : conflict.versions)
      text += (text.empty() ? "" : ", ") + images_[version.image];
    return text;
  }

  std::string line(const TreeConflict& conflict) const {
    return fmt::format("{} ({}): {}", escaped(conflict.path.absolute()),
                       fmt::join(conflict.differences, ", "), escaped(images_of(conflict)));
  }

  nlohmann::ordered_json row(const TreeConflict& conflict) const {
    std::string types;
    for (const auto& version : conflict.versions)
      types.append(types.empty() ? "" : ", ").append(type_text(version.entry.type));
    return {{"Path", name_text(conflict.path.absolute())},
            {"Differs", fmt::format("{}", fmt::join(conflict.differences, ", "))},
            {"Types", types},
            {"Images", name_text(images_of(conflict))},
            {"Taken", is_taken_ ? name_text(images_[conflict.taken]) : ""},
            {"Versions", nlohmann::ordered_json::array()}};
  }

  std::vector<std::string> images_;
  std::string format_;
  bool is_taken_;
  bool is_table_ = false;
  std::optional<Template> template_;
  std::vector<nlohmann::ordered_json> rows_;
};

/// As the others are images of another platform, somebody should know.
void warn_of_platforms(const std::vector<std::shared_ptr<ImageSource>>& sources,
                       const std::vector<std::string>& images,
                       const Context& context) {
  const Platform first = sources.front()->image().platform();
  for (std::size_t i = 1; i < sources.size(); ++i) {
    const Platform other = sources[i]->image().platform();
    if (other == first) continue;
    context.warn(fmt::format("{} is for {}, {} for {}", escaped(images.front()), first.str(),
                             escaped(images[i]), other.str()));
  }
}

/// Without a format conflicts are listed only where they are the reason that nothing is made; never
/// where the archive goes.
SaveItem merge_files(const std::vector<std::shared_ptr<ImageSource>>& sources,
                     const Image& like,
                     const Options& options,
                     const ImageDestination& destination,
                     ProgressLine& line,
                     const Context& context) {
  const OnConflict policy =
      options.on_conflict.empty() ? OnConflict::Fail : kPolicies.at(options.on_conflict);
  if (destination.is_standard_output() && !options.format.empty()) {
    fail(Errc::Invalid, "--format: standard output gets the archive");
  }
  const bool is_listed =
      !destination.is_standard_output() && (policy == OnConflict::Fail || !options.format.empty());
  ConflictList list(options, policy != OnConflict::Fail);
  std::function<void(const TreeConflict& conflict)> report;
  if (is_listed) {
    report = [&](const TreeConflict& conflict) {
      line.finish();
      list.add(conflict);
    };
  }
  try {
    SaveItem item = merge_trees(sources, like, policy, report, context);
    list.finish();
    return item;
  } catch (const Error& error) {
    if (error.code() == Errc::Exists) list.finish();
    throw;
  }
}

void merge(Session& session, const Options& options) {
  const ImageDestination destination(options.target);
  const bool merges_trees = options.trees || !options.on_conflict.empty();
  if (!merges_trees && !options.format.empty()) {
    fail(Errc::Invalid, "--format is for the conflicts of --trees");
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto open = [&](const std::string& reference) -> std::shared_ptr<ImageSource> {
    return open_image(session, {reference, options.first.platform}, context);
  };
  std::vector<std::shared_ptr<ImageSource>> sources;
  for (const std::string& image : options.images())
    sources.push_back(open(image));
  const Image like =
      options.config_from.empty() ? sources.back()->image() : open(options.config_from)->image();
  warn_of_platforms(sources, options.images(), context);
  destination.put(session,
                  merges_trees ? merge_files(sources, like, options, destination, line, context)
                               : stack_images(sources, like, context),
                  context);
}

}  // namespace

void add_merge(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("merge", "Make one image of several")->group(kRewriting);
  command->footer(
      std::string(
          "The layers of the images are put on each other in the order given; layers that an image "
          "has in common with what is below, from the base on, are not repeated. With --trees the "
          "files are merged instead: the new image has the layers of the first and one more with "
          "what the others add. A path that several of them have, and not the same, is a conflict: "
          "conflicts are listed and nothing is made, unless --on-conflict says whose is "
          "taken.\n\n") +
      kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_flag("--trees", options->trees, "Merge files, not layers");
  command
      ->add_option("--on-conflict", options->on_conflict,
                   "Whose file is taken where images differ (implies --trees; default: fail)")
      ->type_name("fail|first|last")
      ->check(CLI::IsMember(kPolicies));
  command
      ->add_option("--config-from", options->config_from,
                   "Take the configuration of this image (default: of the last one)")
      ->type_name(kImageArgument);
  command
      ->add_option("--format", options->format,
                   "List conflicts as 'json', one object a line, 'table', 'table TEMPLATE' or a "
                   "TEMPLATE such as '{{.Path}}', also those that --on-conflict settles")
      ->type_name("FORMAT");
  add_image_target(*command, options->target);
  add_image_argument(*command, options->first);
  command->add_option("others", options->others, "What is put on it, in this order")
      ->type_name(kImageArgument)
      ->required();
  command->callback([&session, options] { merge(session, *options); });
}

}  // namespace layerkit::cli
