#include <fcntl.h>

#include "diff_object.h"
#include "diff_walk.h"
#include "layer_index.h"
#include "layer_index_writer.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/name_sorter.h"
#include "store_layout.h"

namespace layerkit {
namespace {

/// The children of the directory where the walk is.
void index_directory(DiffWalk& walk,
                     NameSorter& names,
                     LayerIndexWriter& writer,
                     DiffFormat format) {
  names.clear();
  walk.add_names(names, format);
  writer.begin_directory(walk.dir().number);
  while (const auto next = names.next()) {
    const std::string name(*next);
    const RelPath path = walk.dir().path / name;
    const auto object = read_diff_object(walk.fd(), name, path, format);
    if (!object) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
    const std::uint32_t number = writer.add(name, object->entry);
    if (object->entry.is_directory()) walk.visit_later(name, number);
  }
  writer.end_directory();
}

}  // namespace

void write_layer_index(int layer_dir_fd, DiffFormat format) {
  with_context([] { return "indexing a layer"; },
               [&] {
                 write_layer_index(layer_dir_fd, open_dir_at(layer_dir_fd, store_file::kDiff),
                                   format);
               });
}

void write_layer_index(int layer_dir_fd, Fd diff, DiffFormat format) {
  with_context([] { return "indexing a layer"; },
               [&] {
                 LayerIndexWriter writer(layer_dir_fd, read_diff_root(diff.get(), format).entry);
                 NameSorter names(layer_dir_fd);
                 DiffWalk walk(std::move(diff), layer_dir_fd);
                 do {
                   index_directory(walk, names, writer, format);
                 } while (walk.next());
                 writer.finish();
               });
}

}  // namespace layerkit
