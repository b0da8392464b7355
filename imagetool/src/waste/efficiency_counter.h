#pragma once

#include <cstddef>
#include <cstdint>

#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/imagetool/image_waste.h"
#include "layerkit/layerstore/name_sorter.h"

namespace layerkit {

/// Counts LayerEfficiency from the entries of tars, names as they stand there. As dive does it,
/// but for whiteouts of nothing: it leaves out the rest of their layer, here they have size 0. Not
/// thread-safe.
class EfficiencyCounter {
 public:
  /// `directory` is where what does not fit into memory goes; it must outlive the counter.
  EfficiencyCounter(int directory, std::size_t layers) : records_(directory), layers_(layers) {}

  /// An entry of a tar that is read in TarDialect::Literal.
  void add(std::size_t layer, const Entry& entry);
  /// To be called once, after all entries.
  LayerEfficiency finish(const Context& context);

 private:
  enum class Kind : std::uint8_t { Implied, Directory, Other };
  void put(std::size_t layer, const RelPath& path, bool is_whiteout, Kind kind, std::uint64_t size);

  class Tally;

  NameSorter records_;
  std::size_t layers_;
  std::uint32_t entries_ = 0;
};

}  // namespace layerkit
