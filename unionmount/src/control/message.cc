#include "control/message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::array<std::pair<Errc, std::string_view>, 9> kCodes{{
    {Errc::Invalid, "invalid"},
    {Errc::NotFound, "not-found"},
    {Errc::Exists, "exists"},
    {Errc::Busy, "busy"},
    {Errc::Limit, "limit"},
    {Errc::Integrity, "integrity"},
    {Errc::Unsupported, "unsupported"},
    {Errc::Interrupted, "interrupted"},
    {Errc::Io, "io"},
}};

bool needs_escape(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x20 || byte == 0x7f || c == '\\';
}

/// Whole and in the range of an int, or nullopt.
std::optional<int> parse_int(std::string_view text) noexcept {
  int value = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (err != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

BranchText branch_of(const std::string& path, const std::string& permission) {
  std::vector<std::string> warnings;
  // Only the permission is read so: any byte may stand in the path.
  BranchText branch = parse_branch("/=" + permission, warnings);
  if (!warnings.empty()) fail(Errc::Invalid, "{}", warnings.front());
  branch.path = path;
  return branch;
}

std::string permission_of(const BranchText& branch) {
  return format_permission(branch.access, branch.attributes);
}

std::string words(std::initializer_list<std::string_view> list) {
  std::string line;
  for (const std::string_view word : list)
    line += (line.empty() ? "" : " ") + escape_word(word);
  return line;
}

struct Formatter {
  std::string operator()(const InsertBranch& request) const {
    return words({"insert", fmt::format("{}", request.index), permission_of(request.branch),
                  request.branch.path});
  }
  std::string operator()(const DeleteBranch& request) const {
    return words({"delete", request.path});
  }
  std::string operator()(const ModifyBranch& request) const {
    return words({"modify", permission_of(request.branch), request.branch.path});
  }
  std::string operator()(const ChangeSettings& request) const {
    return words({"settings", request.options});
  }
  std::string operator()(const ListBranches& /*request*/) const { return "branches"; }
  std::string operator()(const Attached& request) const {
    return words({"attached", request.path});
  }
  std::string operator()(const UnmountUnion& request) const {
    return words({"unmount", request.mode == UnmountMode::Lazy ? "lazy" : "now"});
  }
};

using Words = std::vector<std::string>;

ControlRequest parse_insert(const Words& arguments) {
  const auto index = parse_int(arguments[0]);
  if (!index || *index < -1) fail(Errc::Invalid, "{} is no place", quoted(arguments[0]));
  return InsertBranch{*index, branch_of(arguments[2], arguments[1])};
}

ControlRequest parse_unmount(const Words& arguments) {
  if (arguments[0] == "now") return UnmountUnion{UnmountMode::Now};
  if (arguments[0] == "lazy") return UnmountUnion{UnmountMode::Lazy};
  fail(Errc::Invalid, "{} is no way to unmount", quoted(arguments[0]));
}

struct Verb {
  std::string_view name;
  std::size_t arguments;
  ControlRequest (*parse)(const Words&);
};

constexpr std::array<Verb, 7> kVerbs{{
    {"insert", 3, parse_insert},
    {"delete", 1, [](const Words& words) -> ControlRequest { return DeleteBranch{words[0]}; }},
    {"modify", 2,
     [](const Words& words) -> ControlRequest {
       return ModifyBranch{branch_of(words[1], words[0])};
     }},
    {"settings", 1, [](const Words& words) -> ControlRequest { return ChangeSettings{words[0]}; }},
    {"branches", 0, [](const Words& /*words*/) -> ControlRequest { return ListBranches{}; }},
    {"attached", 1, [](const Words& words) -> ControlRequest { return Attached{words[0]}; }},
    {"unmount", 1, parse_unmount},
}};

std::optional<std::string> parse_octal_byte(std::string_view digits) {
  unsigned value = 0;
  if (digits.size() != 3) return std::nullopt;
  for (const char c : digits) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<unsigned>(c - '0');
  }
  if (value == 0 || value > 0xff) return std::nullopt;
  return std::string(1, static_cast<char>(static_cast<unsigned char>(value)));
}

/// The next `count` words of a line, and what follows them.
std::vector<std::string_view> first_words(std::string_view line, std::size_t count) {
  std::vector<std::string_view> found;
  while (found.size() < count) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) break;
    found.push_back(line.substr(0, space));
    line.remove_prefix(space + 1);
  }
  found.push_back(line);
  return found;
}

}  // namespace

std::string escape_word(std::string_view word) {
  std::string text;
  for (const char c : word) {
    if (needs_escape(c)) {
      text += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text;
}

std::string unescape_word(std::string_view word) {
  std::string text;
  while (!word.empty()) {
    if (word.front() != '\\') {
      text += word.front();
      word.remove_prefix(1);
      continue;
    }
    const auto byte = parse_octal_byte(word.substr(1, 3));
    if (!byte) fail(Errc::Invalid, "there is a bad escape at {}", quoted(word));
    text += *byte;
    word.remove_prefix(4);
  }
  return text;
}

std::string format_request(const ControlRequest& request) {
  return std::visit(Formatter{}, request);
}

ControlRequest parse_request(std::string_view line) {
  return with_context([] { return std::string("reading a request"); },
                      [&] {
                        Words list;
                        for (const std::string_view word : split(line, ' '))
                          list.push_back(unescape_word(word));
                        const auto* const verb =
                            std::ranges::find(kVerbs, list.front(), &Verb::name);
                        if (verb == kVerbs.end())
                          fail(Errc::Invalid, "there is no {}", quoted(list.front()));
                        list.erase(list.begin());
                        if (list.size() != verb->arguments)
                          fail(Errc::Invalid, "{} takes {} words, not {}", verb->name,
                               verb->arguments, list.size());
                        return verb->parse(list);
                      });
}

std::string format_error(const Error& error) {
  const auto* const code =
      std::ranges::find(kCodes, error.code(), &decltype(kCodes)::value_type::first);
  return fmt::format("error {} {} {}", code->second, error.sys_errno(),
                     escape_word(error.message()));
}

Error parse_error(std::string_view line) {
  const auto list = first_words(line, 3);
  if (list.size() == 4 && list[0] == "error") {
    const auto* const code =
        std::ranges::find(kCodes, list[1], &decltype(kCodes)::value_type::second);
    const auto sys_errno = parse_int(list[2]);
    if (code != kCodes.end() && sys_errno)
      return Error(code->first, *sys_errno, unescape_word(list[3]));
  }
  return Error(Errc::Io, fmt::format("the server of the union says {}", quoted(line)));
}

std::string format_branch_line(const BranchState& branch) {
  return fmt::format("{}={}\n", escape_word(branch.path), branch.permission);
}

std::string format_branches(const std::vector<BranchState>& branches) {
  std::string text;
  for (const BranchState& branch : branches)
    text += fmt::format("{} {} {}\n", branch.id, branch.permission, escape_word(branch.path));
  return text;
}

std::vector<BranchState> parse_branches(std::string_view text) {
  std::vector<BranchState> branches;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const auto list = first_words(line, 2);
    const auto id = parse_int(list.front());
    if (list.size() != 3 || !id) fail(Errc::Io, "the server's list has a line {}", quoted(line));
    branches.push_back({unescape_word(list[2]), std::string(list[1]), *id});
  }
  return branches;
}

}  // namespace layerkit
