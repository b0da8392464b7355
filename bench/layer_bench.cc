// The parts of load and save, each by itself, sized so that the growth is visible.

#include <benchmark/benchmark.h>

#include "layerkit/base/hashing_stream.h"
#include "layerkit/layerstore/compression.h"
#include "layerkit/layerstore/store.h"
#include "sample_layer.h"
#include "work_dir.h"

namespace layerkit::bench {
namespace {

constexpr std::size_t kFileBytes = 4096;

void set_throughput(benchmark::State& state, std::size_t bytes, std::size_t entries) {
  const auto iterations = static_cast<std::size_t>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(iterations * bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(iterations * entries));
}

void hash_sha256(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(Sha256::of(bytes));
  }
  set_throughput(state, bytes.size(), 1);
}
BENCHMARK(hash_sha256)->Range(4 << 10, 64 << 20);

void parse_tar(benchmark::State& state) {
  const auto files = static_cast<std::size_t>(state.range(0));
  const std::string tar = make_sample_layer(files, kFileBytes);
  while (state.KeepRunning()) {
    MemorySource source(tar);
    const auto reader = make_tar_reader(source, TarDialect::Layer);
    std::size_t entries = 0;
    while (reader->next()) {
      ++entries;
    }
    benchmark::DoNotOptimize(entries);
  }
  set_throughput(state, tar.size(), files);
}
BENCHMARK(parse_tar)->RangeMultiplier(10)->Range(100, 10'000);

void decompress(benchmark::State& state) {
  const std::string tar = make_sample_layer(5'000, kFileBytes);
  std::string packed;
  MemorySink sink(packed);
  const auto compressor = make_compressing_sink(sink, static_cast<Compression>(state.range(0)));
  compressor->write(as_bytes(tar));
  compressor->finish();
  while (state.KeepRunning()) {
    MemorySource source(packed);
    const auto plain = make_decompressing_source(source, "sample");
    benchmark::DoNotOptimize(drain(*plain));
  }
  state.SetLabel(std::string(compression_name(static_cast<Compression>(state.range(0)))));
  set_throughput(state, tar.size(), 5'000);
}
BENCHMARK(decompress)
    ->Arg(static_cast<int>(Compression::None))
    ->Arg(static_cast<int>(Compression::Gzip))
    ->Arg(static_cast<int>(Compression::Zstd));

/// Unpacking into a store, durable: what a load does with one layer.
void import_layer(benchmark::State& state) {
  const auto files = static_cast<std::size_t>(state.range(0));
  const std::string tar = make_sample_layer(files, kFileBytes);
  const WorkDir work;
  const auto store = open_store(work.path());
  while (state.KeepRunning()) {
    MemorySource source(tar);
    const auto transaction = store->begin();
    transaction->add(std::nullopt, source, std::nullopt, {});
    transaction->commit();
    state.PauseTiming();
    const FileLock lock = store->lock(LockKind::Exclusive);
    store->remove_unreferenced({});
    state.ResumeTiming();
  }
  set_throughput(state, tar.size(), files);
}
BENCHMARK(import_layer)->RangeMultiplier(10)->Range(100, 10'000)->Unit(benchmark::kMillisecond);

/// The layer's own tar again, verified.
void export_layer(benchmark::State& state) {
  const auto files = static_cast<std::size_t>(state.range(0));
  const std::string tar = make_sample_layer(files, kFileBytes);
  const WorkDir work;
  const auto store = open_store(work.path());
  MemorySource source(tar);
  const auto transaction = store->begin();
  const LayerInfo info = transaction->add(std::nullopt, source, std::nullopt, {});
  transaction->commit();
  while (state.KeepRunning()) {
    HashingSink sink;
    store->export_layer(info.chain, sink, {});
  }
  set_throughput(state, tar.size(), files);
}
BENCHMARK(export_layer)->RangeMultiplier(10)->Range(100, 10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace layerkit::bench
