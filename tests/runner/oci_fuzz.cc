#include "oci_fuzz.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "json_mutator.h"
#include "oci_fuzz_checks.h"
#include "oci_fuzz_seeds.h"

// OCI_FUZZ_CHECK and OCI_FUZZ_SEEDS say which document the program is about.

namespace {

/// One of so many mutations is of bytes.
constexpr unsigned kBytesEach = 32;

layerkit::testing::JsonMutator& mutator() {
  static layerkit::testing::JsonMutator made(layerkit::testing::seed_documents(OCI_FUZZ_SEEDS));
  return made;
}

std::string_view view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

std::size_t put(const std::string& text, std::uint8_t* out) {
  std::copy(text.begin(), text.end(), out);
  return text.size();
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming)

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layerkit::testing::OCI_FUZZ_CHECK(view_of(data, size));
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                    std::size_t size,
                                    std::size_t max_size,
                                    unsigned seed) {
  if (seed % kBytesEach == 0) return LLVMFuzzerMutate(data, size, max_size);
  mutator().seed(seed);
  return put(mutator().mutate(view_of(data, size), {}, max_size), data);
}

std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1,
                                      std::size_t size1,
                                      const std::uint8_t* data2,
                                      std::size_t size2,
                                      std::uint8_t* out,
                                      std::size_t max_size,
                                      unsigned seed) {
  mutator().seed(seed);
  return put(mutator().mutate(view_of(data1, size1), view_of(data2, size2), max_size), out);
}

// NOLINTEND(readability-identifier-naming)
