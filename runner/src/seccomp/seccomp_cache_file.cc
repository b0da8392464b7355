#include "seccomp_cache_file.h"

#include <fmt/format.h>
#include <seccomp.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace layerkit::runner {
namespace {

constexpr std::string_view kMagic = "LKSECCMP";
/// To be raised when the compiler gives another program for the same profile.
constexpr std::uint64_t kFormat = 2;
constexpr std::size_t kNameSize = 16;

void append_number(std::string& to, std::uint64_t number) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  to.append(bytes, sizeof(number));
}

/// With its size in front, so that no two lists of texts give the same bytes.
void append_text(std::string& to, std::string_view text) {
  append_number(to, text.size());
  to += text;
}

void append_errno(std::string& to, std::optional<std::uint32_t> errno_ret) {
  append_number(to, errno_ret ? std::uint64_t{*errno_ret} + 1 : 0);
}

void append_rule(std::string& to, const SeccompProfile::Rule& rule) {
  append_number(to, rule.names.size());
  for (const std::string& name : rule.names)
    append_text(to, name);
  append_text(to, rule.action);
  append_errno(to, rule.errno_ret);
  append_number(to, rule.args.size());
  for (const SeccompProfile::Argument& argument : rule.args) {
    append_number(to, argument.index);
    append_number(to, argument.value);
    append_number(to, argument.value_two);
    append_text(to, argument.op);
  }
}

/// Each step is reversible, so that one damaged word always shows. Not against forgery, of which
/// the owner of a file is capable anyway: unlike libcrypto, whose first hash in a process takes a
/// millisecond, it is at hand at once.
std::uint64_t checksum(std::string_view bytes) noexcept {
  std::uint64_t hash = bytes.size();
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(hash)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof(word), bytes.size() - at));
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

std::string head(std::string_view key) {
  std::string bytes(kMagic);
  append_text(bytes, key);
  return bytes;
}

}  // namespace

std::string seccomp_cache_key(const SeccompProfile& profile) {
  std::string key;
  append_number(key, kFormat);
  const scmp_version* const library = seccomp_version();
  append_text(key, fmt::format("{}.{}.{}", library->major, library->minor, library->micro));
  utsname kernel{};
  ::uname(&kernel);
  append_text(key, kernel.release);
  append_text(key, kernel.version);
  append_number(key, seccomp_arch_native());

  append_text(key, profile.default_action);
  append_errno(key, profile.default_errno_ret);
  append_number(key, profile.architectures.size());
  for (const std::string& architecture : profile.architectures)
    append_text(key, architecture);
  append_number(key, profile.refuses_unknown_calls ? 1 : 0);
  append_number(key, profile.syscalls.size());
  for (const SeccompProfile::Rule& rule : profile.syscalls)
    append_rule(key, rule);
  return key;
}

std::string seccomp_cache_name(std::string_view key) {
  return fmt::format("{:016x}.bpf", checksum(key));
}

bool is_seccomp_cache_name(std::string_view name) noexcept {
  constexpr std::string_view kSuffix = ".bpf";
  const auto is_hex = [](char digit) {
    return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
  };
  return name.size() == kNameSize + kSuffix.size() && name.ends_with(kSuffix) &&
         std::all_of(name.begin(), name.begin() + kNameSize, is_hex);
}

std::string write_seccomp_cache(std::string_view key, const std::vector<sock_filter>& program) {
  std::string bytes = head(key);
  const std::size_t size = program.size() * sizeof(sock_filter);
  append_number(bytes, size);
  bytes.append(reinterpret_cast<const char*>(program.data()), size);
  append_number(bytes, checksum(bytes));
  return bytes;
}

std::optional<std::vector<sock_filter>> read_seccomp_cache(std::string_view key,
                                                           std::string_view contents) {
  const std::string start = head(key);
  std::uint64_t size = 0;
  std::uint64_t sum = 0;
  if (!contents.starts_with(start)) return std::nullopt;
  if (contents.size() < start.size() + sizeof(size) + sizeof(sum)) return std::nullopt;
  const std::string_view checked = contents.substr(0, contents.size() - sizeof(sum));
  std::memcpy(&sum, contents.data() + checked.size(), sizeof(sum));
  if (sum != checksum(checked)) return std::nullopt;

  std::memcpy(&size, contents.data() + start.size(), sizeof(size));
  const std::string_view bytes = checked.substr(start.size() + sizeof(size));
  if (size != bytes.size() || size == 0 || size % sizeof(sock_filter) != 0 ||
      size > BPF_MAXINSNS * sizeof(sock_filter))
    return std::nullopt;
  std::vector<sock_filter> program(size / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), size);
  return program;
}

}  // namespace layerkit::runner
