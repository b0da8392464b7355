#include <fcntl.h>

#include "layer_index.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "recipe_summary.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

class LayerCheck {
 public:
  LayerCheck(Examination& examination,
             const StoreFrame& frame,
             const Survey& survey,
             const LayerRecord& record,
             const FrameDir& dir)
      : examination_(examination), frame_(frame), survey_(survey), record_(record), dir_(dir) {}

  void run() {
    const StoreGround& ground = frame_.ground;
    frame_.check->examine_layer(
        examination_, dir_, expected_frame(survey_, record_),
        {store_file::kLayer, store_file::kRecipe, store_file::kReplaced, store_file::kIndex});
    examine_file(examination_, ground, dir_, store_file::kLayer, 0600);
    examine_diff();
    examine_index();
    examine_recipe();
  }

 private:
  const ChainId& chain() const noexcept { return record_.info.chain; }

  void damaged(const std::string& kind, const std::string& object, const std::string& detail) {
    examination_.found({kind, object, detail, Severity::Damage, Mend::Archive, record_.info.chain});
  }

  void examine_diff() {
    const auto diff = frame_.check->diff(dir_, chain().hex());
    if (!diff) return;
    const auto stat = stat_at(diff->parent.fd, diff->name);
    if (stat && stat->type == FileType::Directory) return;
    damaged("layer-diff-missing", diff->object(),
            stat ? "it is not a directory" : "the layer's files are missing");
  }

  /// Its first page; the deep look compares the others with what they are about.
  void examine_index() {
    const auto stat = stat_at(dir_.fd, store_file::kIndex);
    if (!stat) {
      return report_index("index-missing", "lookups read the layer's directories",
                          Severity::Leftover);
    }
    if (stat->type != FileType::Regular) {
      return report_index("index-damaged", "it is not a regular file", Severity::Damage);
    }
    try {
      make_layer_index_tree(
          open_at(dir_.fd, store_file::kIndex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), chain().hex(),
          make_index_page_cache(1), {});
    } catch (const Error& error) {
      return report_index("index-damaged", error.message(), Severity::Damage);
    }
    examine_file(examination_, frame_.ground, dir_, store_file::kIndex, 0600);
  }

  void report_index(const char* kind, const std::string& detail, Severity severity) {
    examination_.found(
        {kind, dir_.object(store_file::kIndex), detail, severity, Mend::Repair, chain()}, [&] {
          const auto stat = stat_at(dir_.fd, store_file::kIndex);
          if (stat && stat->type == FileType::Directory) {
            frame_.ground.set_aside(dir_.fd, store_file::kIndex);
          }
          write_index();
          sync_file_at(dir_.fd, store_file::kIndex);
          sync_fd(dir_.fd, store_file::kIndex);
        });
  }

  void write_index() const {
    const auto diff = frame_.check->diff(dir_, chain().hex());
    if (!diff) fail(Errc::NotFound, "the layer's files cannot be reached");
    write_layer_index(dir_.fd, open_dir_at(diff->parent.fd, diff->name),
                      diff_format(frame_.driver));
  }

  void examine_recipe() {
    const std::string object = dir_.object(store_file::kRecipe);
    try {
      const RecipeSummary recipe = summarize_recipe(dir_.fd);
      if (recipe.diff_id != record_.info.diff_id || recipe.tar_size != record_.info.tar_size) {
        return damaged("recipe-damaged", object, "it is the recipe of another layer");
      }
      examine_replaced(recipe.replaced);
    } catch (const Error& error) {
      return damaged("recipe-damaged", object, error.message());
    }
    examine_file(examination_, frame_.ground, dir_, store_file::kRecipe, 0600);
  }

  /// What the recipe and the record say about files that the layer itself replaced.
  void examine_replaced(std::uint64_t by_recipe) {
    if (by_recipe != record_.replaced) {
      examination_.found(
          {"layer-record-damaged", dir_.object(store_file::kLayer),
           fmt::format("it counts {} replaced files, the recipe {}", record_.replaced, by_recipe),
           Severity::Damage, Mend::Repair, chain()});
    }
    const auto stat = stat_at(dir_.fd, store_file::kReplaced);
    const bool is_there = stat && stat->type == FileType::Directory;
    if (by_recipe == 0 && !stat) return;
    if (by_recipe == 0) {
      examination_.found(
          {"unexpected-name", dir_.object(store_file::kReplaced),
           "the layer replaced no file of its own", Severity::Leftover, Mend::Repair, chain()},
          [&] { frame_.ground.set_aside(dir_.fd, store_file::kReplaced); });
      return;
    }
    const std::size_t have =
        is_there ? list_dir(open_dir_at(dir_.fd, store_file::kReplaced).get()).size() : 0;
    if (have != by_recipe) {
      damaged("layer-replaced-missing", dir_.object(store_file::kReplaced),
              fmt::format("it has {} files instead of {}", have, by_recipe));
    } else {
      examine_directory(examination_, frame_.ground, dir_, store_file::kReplaced, 0700,
                        IfAbsent::Report);
    }
  }

  Examination& examination_;
  const StoreFrame& frame_;
  const Survey& survey_;
  const LayerRecord& record_;
  const FrameDir& dir_;
};

}  // namespace

void examine_layer(Examination& examination,
                   const StoreFrame& frame,
                   const Survey& survey,
                   const LayerRecord& record) {
  const std::string name = record.info.chain.hex();
  const FrameDir records = frame.check->records();
  const auto dir =
      examine_directory(examination, frame.ground, records, name, 0710, IfAbsent::Report);
  if (!dir) return;
  const FrameDir own{dir->get(), records.path + "/" + name};
  LayerCheck(examination, frame, survey, record, own).run();
}

}  // namespace layerkit
