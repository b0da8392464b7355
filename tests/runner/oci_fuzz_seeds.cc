#include "oci_fuzz_seeds.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace layerkit::testing {

std::vector<std::string> seed_documents(const std::string& kind) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(RUNNER_TESTDATA) / kind))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> documents;
  for (const auto& path : paths) {
    std::ifstream file(path);
    documents.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return documents;
}

}  // namespace layerkit::testing
