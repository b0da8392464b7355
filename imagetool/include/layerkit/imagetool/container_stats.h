#pragma once

#include <cstdint>
#include <optional>

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// What a container has used so far, at one moment.
struct ContainerSample {
  std::int64_t at_ns = 0;  ///< of a clock that runs steadily
  std::uint64_t cpu_ns = 0;
  std::uint64_t memory = 0;        ///< without what the kernel would give back at once
  std::uint64_t memory_limit = 0;  ///< the machine's memory where there is no limit
  std::uint64_t received = 0;      ///< bytes, by its own network interfaces but loopback
  std::uint64_t sent = 0;
  std::uint64_t read = 0;  ///< bytes, from block devices
  std::uint64_t written = 0;
  std::uint64_t processes = 0;  ///< and threads
};

/// nullopt when the container does not run.
std::optional<ContainerSample> sample_container(const ContainerStore& store,
                                                const ContainerInfo& container);

/// Percent of one processor between two samples.
double cpu_percent_between(const ContainerSample& before, const ContainerSample& after);

}  // namespace layerkit
