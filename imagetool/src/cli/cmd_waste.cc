#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/size_text.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_waste.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  ImageArgument image;
  std::string format;
  std::string max_waste;
  std::size_t top = 10;
  bool human = true;
  bool summary = false;
};

/// What --max-waste allows.
struct WasteLimit {
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
  double percent = 100;
};

WasteLimit parse_limit(const std::string& text) {
  if (text.empty()) return {};
  if (text.back() != '%') return {parse_size(text), 100};
  const std::string number = text.substr(0, text.size() - 1);
  const std::size_t dot = number.find('.');
  const auto whole = parse_decimal(number.substr(0, dot));
  const std::string digits = dot == std::string::npos ? "0" : number.substr(dot + 1);
  const auto fraction = parse_decimal(digits);
  constexpr std::size_t kMaxDigits = 9;
  if (!whole || !fraction || *whole > 100 || digits.size() > kMaxDigits) {
    fail(Errc::Invalid, "--max-waste {}: not a number of bytes, nor of percent from 0% to 100%",
         quoted(text));
  }
  return {WasteLimit().bytes,
          static_cast<double>(*whole) +
              static_cast<double>(*fraction) / std::pow(10.0, static_cast<double>(digits.size()))};
}

double percent_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent_text(double percent) {
  return fmt::format("{:.4f}%", percent);
}

std::string size_text(std::uint64_t bytes, const Options& options) {
  return options.human ? human_size(bytes) : std::to_string(bytes);
}

/// "3, replaced by 4; 4, whiteout by 5": in which layers the files lie, and what hides them.
std::string details_of(const HiddenPath& hidden) {
  std::string text;
  for (const HiddenFile& file : hidden.files) {
    text += fmt::format("{}layer {}: {} by layer {}", text.empty() ? "" : "; ", file.layer + 1,
                        hiding_text(file.hiding.kind), file.hiding.layer + 1);
  }
  return text;
}

std::string details_of(const DuplicateFiles& files) {
  std::string text = "also ";
  for (std::size_t i = 1; i < files.paths.size(); ++i)
    text += (i > 1 ? ", " : "") + name_text(files.paths[i].absolute());
  if (files.count > files.paths.size()) {
    text += fmt::format(" and {} more", files.count - files.paths.size());
  }
  return text;
}

std::vector<ordered_json> rows_of(const ImageWaste& waste, const Options& options) {
  std::vector<ordered_json> rows;
  for (const HiddenPath& hidden : waste.hidden) {
    rows.push_back({{"Kind", "hidden"},
                    {"Wasted", size_text(hidden.bytes, options)},
                    {"Count", std::to_string(hidden.files.size())},
                    {"Path", name_text(hidden.path.absolute())},
                    {"Details", details_of(hidden)}});
  }
  for (const DuplicateFiles& files : waste.duplicates) {
    rows.push_back({{"Kind", "duplicate"},
                    {"Wasted", size_text(files.wasted_bytes(), options)},
                    {"Count", std::to_string(files.count)},
                    {"Path", name_text(files.paths.front().absolute())},
                    {"Details", details_of(files)}});
  }
  return rows;
}

const ListingStyle& row_style() {
  static const ListingStyle kStyle{{{"Kind", "KIND"},
                                    {"Wasted", "WASTED"},
                                    {"Count", "COUNT"},
                                    {"Path", "PATH"},
                                    {"Details", "DETAILS"}},
                                   "{{.Kind}}\t{{.Wasted}}\t{{.Count}}\t{{.Path}}\t{{.Details}}",
                                   "Path"};
  return kStyle;
}

const ListingStyle& summary_style() {
  static const ListingStyle kStyle{
      {{"LayerBytes", "IN LAYERS"},
       {"ShownBytes", "SHOWN"},
       {"HiddenBytes", "HIDDEN"},
       {"OverwrittenBytes", "OVERWRITTEN"},
       {"WastedPercent", "WASTED"},
       {"DuplicateBytes", "DUPLICATE"},
       {"Efficiency", "EFFICIENCY"},
       {"EfficiencyWastedBytes", "IN SEVERAL LAYERS"},
       {"EfficiencyUserWasted", "OF USER BYTES"}},
      "{{.LayerBytes}}\t{{.ShownBytes}}\t{{.HiddenBytes}}\t{{.OverwrittenBytes}}\t"
      "{{.WastedPercent}}\t{{.DuplicateBytes}}\t{{.Efficiency}}\t{{.EfficiencyWastedBytes}}\t"
      "{{.EfficiencyUserWasted}}",
      "Efficiency"};
  return kStyle;
}

ordered_json summary_row(const ImageWaste& waste, const Options& options) {
  const std::uint64_t user_bytes = waste.layer_bytes - waste.base_bytes;
  return {{"LayerBytes", size_text(waste.layer_bytes, options)},
          {"ShownBytes", size_text(waste.shown_bytes, options)},
          {"HiddenBytes", size_text(waste.hidden_bytes, options)},
          {"OverwrittenBytes", size_text(waste.overwritten_bytes, options)},
          {"WastedPercent", percent_text(percent_of(waste.wasted_bytes(), waste.layer_bytes))},
          {"DuplicateBytes", size_text(waste.duplicate_bytes, options)},
          {"Efficiency", percent_text(100 * waste.efficiency.score)},
          {"EfficiencyWastedBytes", size_text(waste.efficiency.wasted_bytes, options)},
          {"EfficiencyUserWasted",
           percent_text(percent_of(waste.efficiency.wasted_bytes, user_bytes))}};
}

/// For people.
void print_report(const ImageWaste& waste, const Options& options) {
  const ordered_json row = summary_row(waste, options);
  const auto field = [&](const char* name) { return row[name].get<std::string>(); };
  print_line(fmt::format("In layers:    {}", field("LayerBytes")));
  print_line(fmt::format("Hidden:       {} by later layers, {} within a layer ({} together)",
                         field("HiddenBytes"), field("OverwrittenBytes"), field("WastedPercent")));
  print_line(fmt::format("Duplicates:   {}", field("DuplicateBytes")));
  print_line(fmt::format("Efficiency:   {} ({} in several layers, {} of the bytes above the base)",
                         field("Efficiency"), field("EfficiencyWastedBytes"),
                         field("EfficiencyUserWasted")));
  const std::vector<ordered_json> rows = rows_of(waste, options);
  if (rows.empty()) return;
  print_line("");
  print(render_listing(row_style(), {}, rows));
}

void check_limit(const ImageWaste& waste, const WasteLimit& limit, const Options& options) {
  const double percent = percent_of(waste.wasted_bytes(), waste.layer_bytes);
  if (waste.wasted_bytes() <= limit.bytes && percent <= limit.percent) return;
  fail(Errc::Limit, "{}: {} bytes ({}) of the layers are wasted, --max-waste allows {}",
       quoted(options.image.reference), waste.wasted_bytes(), percent_text(percent),
       options.max_waste);
}

void show_waste(Session& session, const Options& options) {
  const WasteLimit limit = parse_limit(options.max_waste);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  const ImageWaste waste = find_waste(*source, options.top, context);
  line.finish();
  if (options.summary) {
    print(render_listing(summary_style(), {false, options.format}, {summary_row(waste, options)}));
  } else if (options.format.empty()) {
    print_report(waste, options);
  } else {
    print(render_listing(row_style(), {false, options.format}, rows_of(waste, options)));
  }
  check_limit(waste, limit, options);
}

}  // namespace

void add_waste(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("waste", "Show what an image's layers hold in vain")->group(kContents);
  command->footer(
      std::string("hidden: bytes of files that later layers hide. duplicate: files with the same "
                  "contents. Efficiency is what dive shows; --max-waste is compared with what is "
                  "hidden, of the bytes of all layers.\n\n") +
      kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_format_option(*command, options->format);
  command->add_flag("-H,--human,!--no-human", options->human,
                    "Print sizes in human readable format (--human=false: do not)");
  command
      ->add_option("--max-waste", options->max_waste,
                   "Exit with 1 when more is hidden than so many bytes, or so much of all bytes")
      ->type_name("BYTES|PERCENT%");
  command->add_flag("--summary", options->summary, "Show the sums only; --format is for them");
  command->add_option("--top", options->top, "Name so many paths of each kind")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1'000'000}).description(""))
      ->capture_default_str();
  add_image_argument(*command, options->image);
  command->callback([&session, options] { show_waste(session, *options); });
}

}  // namespace layerkit::cli
