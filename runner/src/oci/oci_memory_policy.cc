#include <linux/mempolicy.h>

#include <algorithm>
#include <array>

#include "layerkit/base/text.h"
#include "object_reader.h"
#include "oci_parts.h"

namespace layerkit::runner {
namespace {

#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13)
#endif

struct Word {
  std::string_view word;
  unsigned value;
};

constexpr unsigned kWeightedInterleave = 6;  // Linux 6.9

constexpr std::array<Word, 7> kModes = {{{"MPOL_DEFAULT", MPOL_DEFAULT},
                                         {"MPOL_PREFERRED", MPOL_PREFERRED},
                                         {"MPOL_BIND", MPOL_BIND},
                                         {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
                                         {"MPOL_LOCAL", MPOL_LOCAL},
                                         {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
                                         {"MPOL_WEIGHTED_INTERLEAVE", kWeightedInterleave}}};

constexpr std::array<Word, 3> kFlags = {{{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
                                         {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
                                         {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES}}};

template <std::size_t Size>
unsigned value_of(const std::array<Word, Size>& words, const JsonView& value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](const Word& each) { return each.word == value.string(); });
  if (found == words.end()) value.refuse(quoted(value.string()) + ": not known");
  return found->value;
}

}  // namespace

MemoryPolicy read_memory_policy(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  MemoryPolicy policy;
  policy.mode = value_of(kModes, reader.need("mode"));
  reader.text("nodes", policy.nodes);
  if (const auto flags = reader.take("flags")) {
    for (const JsonView& flag : flags->items())
      policy.mode |= value_of(kFlags, flag);
  }
  reader.finish();
  return policy;
}

}  // namespace layerkit::runner
