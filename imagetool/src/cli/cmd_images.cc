#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/repeated_option.h"
#include "layerkit/base/text.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct ImagesOptions {
  ListingChoice listing;
  bool all = false;
  bool no_trunc = false;
  std::vector<std::string> filters;
  std::string repository;
};

/// What --filter and the REPOSITORY argument leave over.
struct ImageFilter {
  std::optional<bool> dangling;
  std::vector<std::string> references;  ///< any of them

  bool takes(const ImageName& name) const {
    if (dangling == true) return false;
    return references.empty() || std::ranges::any_of(references, [&](const std::string& glob) {
             return matches(glob, name.repository()) || matches(glob, name.str());
           });
  }
  bool takes_unnamed() const { return dangling != false && references.empty(); }

 private:
  static bool matches(const std::string& glob, const std::string& text) {
    return ::fnmatch(glob.c_str(), text.c_str(), FNM_PATHNAME) == 0;
  }
};

bool parse_truth(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  fail(Errc::Invalid, "reading filter 'dangling': {} is neither true nor false",
       layerkit::quoted(text));
}

ImageFilter make_filter(const ImagesOptions& options) {
  ImageFilter filter;
  if (!options.repository.empty()) filter.references.push_back(options.repository);
  for (const std::string& text : options.filters) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (key == "dangling") {
      filter.dangling = parse_truth(value);
    } else if (key == "reference") {
      filter.references.push_back(value);
    } else {
      fail(Errc::Invalid, "reading filter {}: only dangling=BOOL and reference=GLOB are known",
           layerkit::quoted(text));
    }
  }
  return filter;
}

ordered_json image_row(const ImageStore::Record& record,
                       const ImageName* name,
                       const std::string& size,
                       const ImagesOptions& options) {
  const std::optional<Timestamp> created = created_time(record.image);
  return {{"CreatedAt", created ? format_local(*created) : "N/A"},
          {"CreatedSince", created ? human_age(*created, current_time()) : "N/A"},
          {"Digest", "<none>"},
          {"ID", options.no_trunc ? record.image.id().str() : short_id(record.image.id())},
          {"Repository", name != nullptr ? name->repository() : "<none>"},
          {"Size", size},
          {"Tag", name != nullptr ? name->tag() : "<none>"}};
}

/// Nothing for an image that somebody removed since the list was made.
std::optional<std::string> size_text(Session& session, const Image& image) {
  try {
    return human_size(session.store().size(image));
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    if (error.code() != Errc::Integrity) throw;
    session.report(error);  // the others are still worth a line
    return "N/A";
  }
}

void print_images(Session& session, const ImagesOptions& options) {
  static const ListingStyle kStyle{
      {{"ID", "IMAGE ID"},
       {"Repository", "REPOSITORY"},
       {"Tag", "TAG"},
       {"Digest", "DIGEST"},
       {"CreatedAt", "CREATED AT"},
       {"CreatedSince", "CREATED"},
       {"Size", "SIZE"}},
      "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
      "ID"};
  const ImageFilter filter = make_filter(options);
  std::vector<ordered_json> rows;
  const auto records =
      session.has_store() ? session.store().list() : std::vector<ImageStore::Record>();
  for (const ImageStore::Record& record : records) {
    const auto size = size_text(session, record.image);
    if (!size) continue;
    if (record.names.empty() && filter.takes_unnamed()) {
      rows.push_back(image_row(record, nullptr, *size, options));
    }
    for (const ImageName& name : record.names) {
      if (filter.takes(name)) rows.push_back(image_row(record, &name, *size, options));
    }
  }
  print(render_listing(kStyle, options.listing, rows));
}

}  // namespace

void add_images(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("images", "List images")->group(kImages);
  auto options = std::make_shared<ImagesOptions>();
  command->add_flag("-a,--all", options->all, "Show all images (none is hidden by default)");
  add_repeated_option(*command, "-f,--filter", options->filters,
                      "Filter output: dangling=true|false, reference=GLOB")
      ->type_name("FILTER");
  add_format_option(*command, options->listing.format);
  command->add_flag("--no-trunc", options->no_trunc, "Don't truncate output");
  command->add_flag("-q,--quiet", options->listing.quiet, "Only show image IDs");
  command->add_option("repository", options->repository, "Repository, with or without tag")
      ->type_name("REPOSITORY[:TAG]");
  command->callback([&session, options] { print_images(session, *options); });
}

}  // namespace layerkit::cli
