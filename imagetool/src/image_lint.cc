#include "layerkit/imagetool/image_lint.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/layerstore/tar.h"
#include "lint/entry_lint.h"
#include "lint/layer_paths.h"
#include "lint/lint_report.h"
#include "lint/lint_rules.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

void lint_history(const Image& image, lint::Report& report) {
  const auto history = image.config().find("history");
  if (history == image.config().end() || !history->is_array() || history->empty()) return;
  std::size_t told = 0;
  for (const nlohmann::json& record : *history) {
    const auto mark = record.is_object() ? record.find("empty_layer") : record.end();
    const bool is_empty = mark != record.end() && mark->is_boolean() && mark->get<bool>();
    if (!is_empty) ++told;
  }
  const std::size_t layers = image.diff_ids().size();
  if (told == layers) return;
  report.add(lint::rule("history-mismatch"), {},
             fmt::format("the history tells of {} layers, the image has {}", told, layers));
}

/// False for a layer on which nothing can be laid.
bool can_be_applied(ImageSource& source, std::size_t index, lint::Report& report) {
  try {
    static_cast<void>(source.layer_tree(index));
    return true;
  } catch (const Error& error) {
    const bool is_the_layers_fault = error.code() == Errc::Invalid ||
                                     error.code() == Errc::Unsupported ||
                                     error.code() == Errc::Exists;
    if (!is_the_layers_fault) throw;
    report.add(lint::rule("bad-layer"), {}, error.message());
    return false;
  }
}

void lint_layer(ImageSource& source,
                std::size_t index,
                lint::Report& report,
                const Context& context) {
  const Fd temporary = open_temporary_directory();
  const auto lower = source.view(index);
  const auto shown = source.view(index + 1);
  lint::LayerPaths paths(temporary.get(), lower.get(), *shown, report);
  const auto tar = source.open_layer(index);
  const auto reader = make_tar_reader(*tar, TarDialect::Literal);
  bool is_empty = true;
  while (const auto entry = reader->next()) {
    context.check_interrupted();
    is_empty = false;
    lint::lint_entry(*entry, reader->names(), report);
    paths.add(*entry);
  }
  drain(*tar);
  if (is_empty) report.add(lint::rule("empty-layer"), {}, "the layer has no entries");
  paths.finish(context);
}

}  // namespace

void lint_image(ImageSource& source,
                const LintOptions& options,
                const std::function<void(const LintFinding& finding)>& tell,
                const Context& context) {
  lint::Report report(options, tell);
  lint_history(source.image(), report);
  for (std::size_t i = 0; i < source.layers(); ++i) {
    report.begin(i);
    if (!can_be_applied(source, i, report)) break;
    lint_layer(source, i, report, context);
  }
  report.end();
}

}  // namespace layerkit
