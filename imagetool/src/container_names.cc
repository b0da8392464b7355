#include "container_names.h"

#include <algorithm>
#include <array>
#include <random>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::array<std::string_view, 32> kAdjectives = {
    "agile",   "amber",   "bold",   "brave", "bright", "brisk",  "calm",   "clever",
    "cosmic",  "curious", "daring", "eager", "fair",   "gentle", "golden", "happy",
    "humble",  "jolly",   "keen",   "kind",  "lively", "lucid",  "merry",  "nimble",
    "patient", "quiet",   "rapid",  "sharp", "steady", "sunny",  "vivid",  "wise"};

constexpr std::array<std::string_view, 40> kSurnames = {
    "allen",  "babbage", "backus",   "bardeen",   "bartik",   "boole",    "cerf",    "church",
    "codd",   "curie",   "dijkstra", "engelbart", "euler",    "faraday",  "floyd",   "franklin",
    "galois", "gauss",   "goldberg", "hamilton",  "hamming",  "hoare",    "hopper",  "kepler",
    "knuth",  "lamarr",  "lamport",  "liskov",    "lovelace", "mcnulty",  "meitner", "moore",
    "naur",   "noether", "perlman",  "ritchie",   "shannon",  "thompson", "turing",  "wirth"};

}  // namespace

void check_container_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool valid = name.size() >= 2 && name.size() <= 255 && is_alphanumeric(name[0]) &&
                     std::all_of(name.begin(), name.end(), [&](char c) {
                       return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
                     });
  if (!valid) {
    fail(Errc::Invalid, "invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
         escaped(name));
  }
}

std::string make_container_name(const std::function<bool(const std::string&)>& taken) {
  std::random_device random;
  const auto pick = [&](const auto& words) { return words[random() % words.size()]; };
  constexpr int kPlainAttempts = 5;
  for (int attempt = 0;; ++attempt) {
    std::string name = fmt::format("{}_{}", pick(kAdjectives), pick(kSurnames));
    // As docker: when names get rare, digits make room.
    if (attempt >= kPlainAttempts) name += std::to_string(random() % 10000);
    if (!taken(name)) return name;
  }
}

}  // namespace layerkit
