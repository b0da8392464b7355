#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_options.h"
#include "option_text.h"

namespace layerkit {
namespace {

struct AttributeFlag {
  std::string_view name;
  bool BranchAttributes::*member;
};

/// The attributes that icex stands for.
constexpr std::array<AttributeFlag, 5> kXattrFlags = {{
    {"icexsec", &BranchAttributes::ignore_security_xattr_errors},
    {"icexsys", &BranchAttributes::ignore_system_xattr_errors},
    {"icextr", &BranchAttributes::ignore_trusted_xattr_errors},
    {"icexusr", &BranchAttributes::ignore_user_xattr_errors},
    {"icexoth", &BranchAttributes::ignore_other_xattr_errors},
}};

bool ignores_all_xattr_errors(const BranchAttributes& attributes) noexcept {
  if (attributes.ignore_xattr_errors) return true;
  for (const AttributeFlag& flag : kXattrFlags)
    if (!(attributes.*flag.member)) return false;
  return true;
}

bool set_xattr_flag(std::string_view name, BranchAttributes& attributes) noexcept {
  bool known = false;
  for (const AttributeFlag& flag : kXattrFlags) {
    if (name != flag.name && name != "icex") continue;
    attributes.*flag.member = true;
    known = true;
  }
  attributes.ignore_xattr_errors = ignores_all_xattr_errors(attributes);
  return known;
}

/// False for a name that is unknown or means nothing any more ("unpin").
bool set_attribute(std::string_view name, BranchAttributes& attributes) noexcept {
  if (name == "wh") {
    attributes.whiteouts = true;
  } else if (name == "nolwh") {
    attributes.no_link_whiteouts = true;
  } else if (name == "fhsm") {
    attributes.hierarchical = true;
  } else if (name == "coo_reg") {  // of the three, the last one counts
    attributes.on_open = OnOpen::CopyUpRegular;
  } else if (name == "coo_all") {
    attributes.on_open = OnOpen::CopyUpAll;
  } else if (name == "moo") {
    attributes.on_open = OnOpen::MoveUp;
  } else {
    return set_xattr_flag(name, attributes);
  }
  return true;
}

/// Drops what has no meaning with the permission; gives the names.
std::vector<std::string_view> drop_senseless(BranchAccess access, BranchAttributes& attributes) {
  std::vector<std::string_view> dropped;
  if (access == BranchAccess::ReadWrite) {
    if (attributes.whiteouts) dropped.emplace_back("wh");
    attributes.whiteouts = false;
    return dropped;
  }
  if (attributes.no_link_whiteouts) dropped.emplace_back("nolwh");
  attributes.no_link_whiteouts = false;
  if (attributes.on_open == OnOpen::MoveUp) {
    dropped.emplace_back("moo");
    attributes.on_open = OnOpen::Nothing;
  }
  return dropped;
}

std::optional<BranchAccess> access_named(std::string_view name) noexcept {
  if (name == "rw") return BranchAccess::ReadWrite;
  if (name == "ro") return BranchAccess::ReadOnly;
  if (name == "rr") return BranchAccess::RealReadOnly;
  return std::nullopt;
}

std::string_view name_of(BranchAccess access) noexcept {
  switch (access) {
    case BranchAccess::ReadWrite:
      return "rw";
    case BranchAccess::ReadOnly:
      return "ro";
    case BranchAccess::RealReadOnly:
      return "rr";
  }
  return "ro";
}

std::string_view name_of(OnOpen on_open) noexcept {
  switch (on_open) {
    case OnOpen::Nothing:
      return "";
    case OnOpen::CopyUpRegular:
      return "coo_reg";
    case OnOpen::CopyUpAll:
      return "coo_all";
    case OnOpen::MoveUp:
      return "moo";
  }
  return "";
}

/// AUFS takes a permission it does not know for "ro" and lets attributes it does not know go.
void read_permission(std::string_view text,
                     BranchText& branch,
                     std::vector<std::string>& warnings) {
  const auto warn = [&](std::string_view what, std::string_view word) {
    add_warning(warnings, fmt::format("branch {}: ignored the {} {}", quoted_start(branch.path),
                                      what, quoted_start(word)));
  };
  branch.access_given = true;
  const std::vector<std::string_view> words = split(text, '+');
  const std::optional<BranchAccess> access = access_named(words.front());
  if (!access) {
    if (!text.empty()) warn("permission", text);
    return;
  }
  branch.access = *access;
  for (std::size_t i = 1; i < words.size(); ++i)
    if (!set_attribute(words[i], branch.attributes)) warn("attribute", words[i]);
  for (const std::string_view name : drop_senseless(branch.access, branch.attributes))
    warn("attribute", name);
}

}  // namespace

BranchText parse_branch(std::string_view text, std::vector<std::string>& warnings) {
  BranchText branch;
  const std::size_t permission = find_unescaped(text, '=');
  with_context([&] { return fmt::format("reading the branch {}", quoted_start(text)); },
               [&] { branch.path = parse_path(text.substr(0, permission)); });
  if (permission != std::string_view::npos)
    read_permission(text.substr(permission + 1), branch, warnings);
  return branch;
}

std::string format_permission(BranchAccess access, const BranchAttributes& attributes) {
  BranchAttributes shown = attributes;
  drop_senseless(access, shown);
  std::string text(name_of(access));
  const auto add = [&text](bool wanted, std::string_view name) {
    if (wanted) text.append("+").append(name);
  };
  // In the order of the kernel's table.
  add(shown.on_open == OnOpen::CopyUpRegular || shown.on_open == OnOpen::CopyUpAll,
      name_of(shown.on_open));
  add(shown.hierarchical, "fhsm");
  if (ignores_all_xattr_errors(shown)) {
    add(true, "icex");
  } else {
    for (const AttributeFlag& flag : kXattrFlags)
      add(shown.*flag.member, flag.name);
  }
  add(shown.whiteouts, "wh");
  add(shown.on_open == OnOpen::MoveUp, name_of(shown.on_open));
  add(shown.no_link_whiteouts, "nolwh");
  return text;
}

std::string format_branch(const BranchText& branch) {
  std::string text = escape(branch.path, kEscapable);
  if (branch.access_given) text += '=' + format_permission(branch.access, branch.attributes);
  return text;
}

}  // namespace layerkit
