#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "json_mutator.h"
#include "layerkit/runner/documents.h"
#include "layerkit/runner/oci_config.h"
#include "oci_fuzz_checks.h"
#include "oci_fuzz_seeds.h"

namespace layerkit {
namespace {

constexpr int kMutants = 4000;
constexpr std::size_t kMaxMutantBytes = 32 << 10;

std::vector<std::string> configs() {
  std::vector<std::string> all = testing::seed_documents("config");
  all.push_back(example_config(false));
  all.push_back(example_config(true));
  return all;
}

void run_mutants(const std::vector<std::string>& seeds,
                 const std::function<testing::Came(std::string_view)>& check) {
  testing::JsonMutator mutator(seeds);
  std::string text = seeds.front();
  int through = 0;
  for (int i = 0; i < kMutants; ++i) {
    const std::string& seed = seeds[static_cast<std::size_t>(i) % seeds.size()];
    // Half of them are mutants of mutants.
    text = mutator.mutate(i % 2 == 0 ? seed : text, {}, kMaxMutantBytes);
    if (check(text) >= testing::Came::ToPlanning) ++through;
  }
  // Neither are all refused, nor none.
  EXPECT_GT(through, kMutants / 20);
  EXPECT_LT(through, kMutants / 2);
}

TEST(OciFuzzTest, SeedsAreGoodDocuments) {
  for (const std::string& text : configs()) {
    EXPECT_NO_THROW(read_oci_config(text, Context{})) << text;
    EXPECT_GE(testing::check_config_document(text), testing::Came::ToPlanning) << text;
  }
  for (const std::string& text : testing::seed_documents("process")) {
    EXPECT_NO_THROW(read_oci_process(text, Context{})) << text;
    EXPECT_EQ(testing::check_process_document(text), testing::Came::Through) << text;
  }
}

TEST(OciFuzzTest, MutantsOfConfigsAreRefusedOrMeanSomething) {
  run_mutants(configs(), testing::check_config_document);
}

TEST(OciFuzzTest, MutantsOfProcessesAreRefusedOrMeanSomething) {
  run_mutants(testing::seed_documents("process"), testing::check_process_document);
}

}  // namespace
}  // namespace layerkit
