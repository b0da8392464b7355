#pragma once

#include <gtest/gtest.h>

#include "union_conformance.h"

namespace layerkit::testing {

/// For what only unions with AUFS semantics have.
class AufsTest : public UnionTest {
 protected:
  /// All three branches can be written to.
  static UnionSetup all_writable(AufsSettings settings = {}) {
    return {.aufs = std::move(settings), .branches = {kWritable, kWritable, kWritable}};
  }
  static UnionSetup two_writable(AufsSettings settings = {}) {
    return {.aufs = std::move(settings),
            .branches = {kWritable, kWritable, kReadOnlyWithWhiteouts}};
  }
  /// Where a name lies: "u", "m" and "b" for the branches that have it.
  std::string places_of(const std::string& name) {
    std::string places;
    if (upper().has(name)) places += 'u';
    if (middle().has(name)) places += 'm';
    if (base().has(name)) places += 'b';
    return places;
  }
};

}  // namespace layerkit::testing
