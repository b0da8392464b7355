// What exactness costs: unpacking a layer with its recipe beside unpacking it without, and how
// large the recipe is. The layer is the plain tar in $LAYERKIT_BENCH_LAYER, or a sample.

#include <benchmark/benchmark.h>
#include <fcntl.h>

#include <cstdlib>
#include <optional>

#include "layerkit/base/file.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/layerstore/diff_dir.h"
#include "recipe_writer.h"
#include "sample_layer.h"
#include "work_dir.h"

namespace layerkit::bench {
namespace {

enum Exactness : std::int64_t { Without, With };

std::string layer_tar() {
  const char* path = std::getenv("LAYERKIT_BENCH_LAYER");  // NOLINT(concurrency-mt-unsafe)
  return path != nullptr ? read_file_at(AT_FDCWD, path, SIZE_MAX) : make_sample_layer(10'000, 4096);
}

/// Returns the size of the recipe.
std::uint64_t unpack(const std::string& tar, int layer_fd, Exactness exactness) {
  const Context context;
  std::optional<RecipeWriter> recipe;
  if (exactness == With) recipe.emplace(layer_fd);
  make_dir_at(layer_fd, "diff", 0755);
  const auto writer = make_overlay_diff_writer(open_dir_at(layer_fd, "diff"), nullptr, context);
  MemorySource source(tar);
  HashingSource hashed(source);
  const auto reader = make_tar_reader(hashed, TarDialect::Layer, {}, recipe ? &*recipe : nullptr);
  while (const auto entry = reader->next()) {
    const bool is_file = recipe && is_stored_file(*entry);
    if (is_file) recipe->begin_file();
    writer->add(*entry, reader->contents());
    if (is_file) recipe->end_file(writer->last_file().value(), entry->size);
  }
  writer->finish();
  const DiffId diff_id(hashed.finish());
  if (!recipe) return 0;
  recipe->finish(diff_id, hashed.size());
  return stat_fd(open_at(layer_fd, "recipe", O_RDONLY).get()).size;
}

void unpack_layer(benchmark::State& state) {
  const std::string tar = layer_tar();
  const WorkDir work;
  std::uint64_t recipe = 0;
  while (state.KeepRunning()) {
    recipe = unpack(tar, work.fd(), static_cast<Exactness>(state.range(0)));
    state.PauseTiming();
    work.clear();
    state.ResumeTiming();
  }
  state.SetLabel(state.range(0) == With ? "with the recipe" : "without");
  state.SetBytesProcessed(static_cast<std::int64_t>(tar.size()) * state.iterations());
  state.counters["tar"] = static_cast<double>(tar.size());
  state.counters["recipe"] = static_cast<double>(recipe);
}
BENCHMARK(unpack_layer)->Arg(Without)->Arg(With)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace layerkit::bench
