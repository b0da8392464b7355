#include "runtime/container_record.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/runner/oci_config.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

/// Looked up one by one while they are written, they would take minutes.
TEST(ContainerRecordTest, AsManyAnnotationsAsADocumentHoldsReadBack) {
  ContainerRecord record;
  for (int i = 0; i < 200'000; ++i)
    record.annotations.emplace("key." + std::to_string(i), "v");
  EXPECT_EQ(parse_record(to_json(record), "x").annotations, record.annotations);
  EXPECT_GT(state_json(state_of(record), false).size(), 200'000U);
}

TEST(ContainerRecordTest, AsLongAnnotationsAsADocumentHoldsReadBack) {
  ContainerRecord record;
  record.annotations.emplace("key", std::string(kMaxOciConfig, 'v'));
  EXPECT_EQ(parse_record(to_json(record), "x").annotations, record.annotations);
}

TEST(ContainerRecordTest, PathsThatJsonCannotHoldAreRefused) {
  ContainerRecord record;
  record.id = "c";
  record.rootfs = "/\xff";
  expect_error(Errc::Invalid, "writing the state of container 'c': a path in it is not valid UTF-8",
               [&] { to_json(record); });
  ContainerState state;
  state.id = "c";
  state.bundle = "/\xff";
  expect_error(Errc::Invalid, "writing the state of container 'c'",
               [&] { state_json(state, true); });
}

}  // namespace
}  // namespace layerkit::runner
