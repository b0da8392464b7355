#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_copy.h"
#include "layerkit/imagetool/image_copy.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

constexpr std::string_view kStream = "-";

struct CpOptions {
  CopyOptions copy;
  bool quiet = false;
  std::string source;
  std::string target;
};

/// One side of the copy.
struct Place {
  std::optional<std::string> container;
  std::string path;
};

/// "debian:12:/etc/hosts": what is before the last ":/", and the path.
struct ImagePlace {
  std::string image;
  std::string path;
};
std::optional<ImagePlace> parse_image_place(const std::string& text) {
  const auto colon = text.rfind(":/");
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  return ImagePlace{text.substr(0, colon), text.substr(colon + 1)};
}

/// As docker: what starts with '/' or '.' is a path of the host, also with a colon in it.
Place parse_place(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || text.starts_with('/') || text.starts_with('.'))
    return {std::nullopt, text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::uint64_t copy_out(Session& session,
                       ContainerStore& store,
                       const Place& from,
                       const Place& to,
                       const CopyOptions& options) {
  const ContainerInfo container = store.find(*from.container);
  if (to.path != kStream)
    return copy_from_container(store, container, from.path, to.path, options, session.context);
  flush_output();
  FdSink output(STDOUT_FILENO, "standard output");
  return export_from_container(store, container, from.path, output, options, session.context);
}

std::uint64_t copy_in(Session& session,
                      ContainerStore& store,
                      const Place& from,
                      const Place& to,
                      const CopyOptions& options) {
  const ContainerInfo container = store.find(*to.container);
  if (from.path != kStream)
    return copy_to_container(store, container, from.path, to.path, options, session.context);
  FdSource input(STDIN_FILENO, "standard input");
  return import_into_container(store, container, input, to.path, session.context);
}

std::uint64_t copy_out_of_image(Session& session,
                                const ImagePlace& from,
                                const std::string& to,
                                const CopyOptions& options) {
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, {from.image, {}}, context);
  const auto tree = source->tree();
  line.finish();
  if (to != kStream) return copy_from_tree(tree, from.path, to, options, session.context);
  flush_output();
  FdSink output(STDOUT_FILENO, "standard output");
  return export_from_tree(tree, from.path, output, options, session.context);
}

bool is_image(Session& session, const std::string& text) {
  try {
    open_image(session, {text, {}}, session.context);
    return true;
  } catch (const Error& error) {
    if (error.code() != Errc::NotFound) throw;
    return false;
  }
}

/// A container is meant first, where the text can be one's.
bool is_of_image(Session& session, const Place& from, const ImagePlace& image) {
  if (!ImageReference::parse(image.image).transport.empty()) return true;
  try {
    ContainerStore(session.store_with("container", *from.container)).find(*from.container);
    return false;
  } catch (const Error& error) {
    if (error.code() != Errc::NotFound && error.sys_errno() != EACCES) throw;
  }
  // What could be either, and is neither, is called a container.
  return image.image != *from.container || is_image(session, image.image);
}

void say_what_was_copied(std::uint64_t bytes, const CpOptions& options) {
  if (options.quiet || options.target == kStream || ::isatty(STDERR_FILENO) != 1) return;
  write_all(
      STDERR_FILENO,
      fmt::format("Successfully copied {} to {}\n", human_size(bytes), escaped(options.target)),
      "standard error");
}

void cp(Session& session, const CpOptions& options) {
  const Place from = parse_place(options.source);
  const Place to = parse_place(options.target);
  if (from.container && to.container)
    fail(Errc::Unsupported, "copying between containers is not supported");
  if (!from.container && !to.container)
    fail(Errc::Invalid, "must specify at least one container source");
  if (const auto image = parse_image_place(options.source);
      from.container && image && is_of_image(session, from, *image)) {
    return say_what_was_copied(copy_out_of_image(session, *image, to.path, options.copy), options);
  }
  ContainerStore store(session.store_with("container", *(from.container ? from : to).container));
  const std::uint64_t bytes = from.container ? copy_out(session, store, from, to, options.copy)
                                             : copy_in(session, store, from, to, options.copy);
  say_what_was_copied(bytes, options);
}

}  // namespace

void add_cp(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("cp",
                         "Copy files or folders between a container and the host, or out of an "
                         "image")
          ->group(kContainers);
  command->footer(
      "One side is CONTAINER:PATH, the other a path of the host, or '-': a tar stream. The source "
      "may be IMAGE:/PATH of an image that no container is called like (debian:12:/etc/hosts, "
      "docker-archive:FILE:/etc/hosts). Extended "
      "attributes user.* are copied, but for user.overlay.*; with -a and in tars POSIX ACLs and "
      "file "
      "capabilities, too; others never.");
  auto options = std::make_shared<CpOptions>();
  command->add_flag("-a,--archive", options->copy.keeps_owners,
                    "Keep owners, set-user-ID bits, ACLs and capabilities, too");
  command->add_flag("-L,--follow-link", options->copy.follows_link,
                    "Follow a symlink that is the source");
  command->add_flag("-q,--quiet", options->quiet, "Do not say what was copied");
  command->add_option("source", options->source, "What to copy")
      ->type_name("CONTAINER:SRC_PATH|IMAGE:/SRC_PATH|SRC_PATH|-")
      ->required();
  command->add_option("target", options->target, "Where to")
      ->type_name("CONTAINER:DEST_PATH|DEST_PATH|-")
      ->required();
  command->callback([&session, options] { cp(session, *options); });
}

}  // namespace layerkit::cli
