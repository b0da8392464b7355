#include <cstdlib>
#include <limits>
#include <memory>

#include "cli/commands.h"
#include "cli/rewritten_image.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_commit.h"
#include "layerkit/imagetool/image_normalize.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

struct Options : RewriteOptions {
  std::string timestamp;
  std::string owner;
};

std::optional<std::int64_t> latest_time(const std::string& text) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here
  if (text.empty()) return parse_source_date_epoch(std::getenv("SOURCE_DATE_EPOCH"));
  if (const auto time = parse_rfc3339(text)) return time->seconds;
  const auto seconds = parse_decimal(text);
  if (!seconds || *seconds > 253'402'300'799) {  // the last second of the year 9999
    fail(Errc::Invalid, "--timestamp {}: it is neither seconds since 1970 nor a time of RFC 3339",
         quoted(text));
  }
  return static_cast<std::int64_t>(*seconds);
}

std::uint32_t parse_id(std::string_view text, const std::string& owner) {
  // The highest one means none (chown(2)).
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max() - 1;
  const auto id = parse_decimal(text);
  if (!id || *id > kMost) {
    fail(Errc::Invalid, "--owner {}: it is not UID:GID, two numbers up to {}", quoted(owner),
         kMost);
  }
  return static_cast<std::uint32_t>(*id);
}

std::optional<Normalization::Owner> parse_owner(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::size_t colon = std::min(text.find(':'), text.size() - 1);
  return Normalization::Owner{parse_id(std::string_view(text).substr(0, colon), text),
                              parse_id(std::string_view(text).substr(colon + 1), text)};
}

void normalize(Session& session, const Options& options) {
  const Normalization how{latest_time(options.timestamp), parse_owner(options.owner)};
  rewrite_image(session, options, [&](const auto& source, const Context& context) {
    return normalize_image(source, how, context);
  });
}

}  // namespace

void add_normalize(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("normalize", "Make layers the same whoever made them, and when")
          ->group(kRewriting);
  auto options = std::make_shared<Options>();
  command
      ->add_option("--timestamp", options->timestamp,
                   "Latest time: seconds since 1970, or 2024-05-14T01:28:19Z")
      ->type_name("TIME");
  command->add_option("--owner", options->owner, "Owner of all files")->type_name("UID:GID");
  add_rewrite_options(
      *command, *options,
      "All layers are written anew: sorted, without what they repeat, with numeric owners. Times "
      "of "
      "files, of the configuration and of the history that lie after the timestamp are lowered to "
      "it; without --timestamp that is SOURCE_DATE_EPOCH, and where that is not set they stay.");
  command->callback([&session, options] { normalize(session, *options); });
}

}  // namespace layerkit::cli
