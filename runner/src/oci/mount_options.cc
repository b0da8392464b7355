#include <sys/mount.h>

#include <algorithm>
#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "oci_parts.h"

namespace layerkit::runner {
namespace {

constexpr std::uint64_t kAnyAtime = MOUNT_ATTR__ATIME;

struct AttributeWord {
  std::string_view word;  ///< with an "r" in front: of the mounts below, too
  std::uint64_t set;
  std::uint64_t clear;
};

constexpr std::array<AttributeWord, 18> kAttributes = {{
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"noatime", MOUNT_ATTR_NOATIME, kAnyAtime},
    {"atime", MOUNT_ATTR_RELATIME, kAnyAtime},
    {"relatime", MOUNT_ATTR_RELATIME, kAnyAtime},
    {"norelatime", MOUNT_ATTR_STRICTATIME, kAnyAtime},
    {"strictatime", MOUNT_ATTR_STRICTATIME, kAnyAtime},
    {"nostrictatime", MOUNT_ATTR_RELATIME, kAnyAtime},
}};

/// Flags of a whole file system.
constexpr std::array<std::string_view, 10> kFilesystemFlags = {
    "sync",     "async",      "dirsync",  "mand",       "nomand",
    "lazytime", "nolazytime", "iversion", "noiversion", "silent"};

struct PropagationWord {
  std::string_view word;
  unsigned long flags;
};

constexpr std::array<PropagationWord, 8> kPropagations = {{
    {"private", MS_PRIVATE},
    {"rprivate", MS_PRIVATE | MS_REC},
    {"shared", MS_SHARED},
    {"rshared", MS_SHARED | MS_REC},
    {"slave", MS_SLAVE},
    {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE},
    {"runbindable", MS_UNBINDABLE | MS_REC},
}};

const AttributeWord* find_attribute(std::string_view word) noexcept {
  const auto* found = std::find_if(kAttributes.begin(), kAttributes.end(),
                                   [&](const AttributeWord& each) { return each.word == word; });
  return found == kAttributes.end() ? nullptr : found;
}

/// A later word undoes an earlier one.
void apply(MountAttributes& attributes, const AttributeWord& word) noexcept {
  attributes.set = (attributes.set & ~word.clear) | word.set;
  // The kernel wants all of the access time's bits cleared when one of them is set.
  attributes.clear = (attributes.clear & ~(word.set & ~kAnyAtime)) | word.clear;
}

bool apply_attribute(ContainerMount& mount, std::string_view option) noexcept {
  if (const AttributeWord* plain = find_attribute(option)) {
    apply(mount.attributes, *plain);
    return true;
  }
  if (!option.starts_with('r')) return false;
  const AttributeWord* recursive = find_attribute(option.substr(1));
  if (recursive == nullptr) return false;
  apply(mount.recursive_attributes, *recursive);
  return true;
}

[[noreturn]] void refuse(const ContainerMount& mount,
                         std::string_view option,
                         std::string_view reason) {
  fail(Errc::Unsupported, "reading the mount on {}: option {} {}", quoted(mount.target),
       quoted(option), reason);
}

bool apply_word(ContainerMount& mount, std::string_view option) {
  const bool is_bind = mount.type == "bind";
  if (option == "defaults" || option == "loud") return true;
  if (option == "bind" || option == "rbind") {
    // Whichever comes first: mount(8) has rbind as a bind with more.
    mount.recursive = mount.recursive || option == "rbind";
    return true;
  }
  if (option == "tmpcopyup") {
    if (mount.type != "tmpfs") refuse(mount, option, "is for tmpfs alone");
    mount.copies_up = true;
    return true;
  }
  if (option == "idmap" || option == "ridmap") {
    if (!is_bind) refuse(mount, option, "is for bind mounts alone");
    mount.maps_recursively = option == "ridmap";
    mount.is_id_mapped = true;
    return true;
  }
  if (option == "src-nofollow") {
    mount.follows_source = false;
    return true;
  }
  if (option == "copy-symlink") {
    if (!is_bind) refuse(mount, option, "is for bind mounts alone");
    mount.copies_symlink = true;
    return true;
  }
  if (option == "dest-nofollow") {
    mount.follows_target = false;
    return true;
  }
  if (option == "remount") refuse(mount, option, "is not supported: there is nothing to mount");
  if (is_bind && std::find(kFilesystemFlags.begin(), kFilesystemFlags.end(), option) !=
                     kFilesystemFlags.end()) {
    refuse(mount, option, "is of a whole file system, which a bind mount does not change");
  }
  return false;
}

}  // namespace

std::vector<std::string> known_mount_options() {
  std::vector<std::string> all = {"bind", "copy-symlink", "defaults", "dest-nofollow", "idmap",
                                  "loud", "rbind",        "ridmap",   "src-nofollow",  "tmpcopyup"};
  for (const AttributeWord& each : kAttributes) {
    all.emplace_back(each.word);
    all.push_back("r" + std::string(each.word));
  }
  for (const std::string_view word : kFilesystemFlags)
    all.emplace_back(word);
  for (const PropagationWord& each : kPropagations)
    all.emplace_back(each.word);
  std::sort(all.begin(), all.end());
  return all;
}

unsigned long propagation_of(std::string_view word) noexcept {
  for (const PropagationWord& each : kPropagations)
    if (each.word == word) return each.flags;
  return 0;
}

void apply_mount_options(ContainerMount& mount,
                         const std::vector<std::string>& options,
                         const Context& context) {
  for (const std::string& option : options) {
    if (option.empty()) continue;
    if (apply_word(mount, option) || apply_attribute(mount, option)) continue;
    if (const unsigned long propagation = propagation_of(option)) {
      mount.propagation = propagation;
      continue;
    }
    if (mount.type != "bind") {
      mount.data.push_back(option);
      continue;
    }
    // An option of some file system; anything else was meant to have an effect.
    if (option.find('=') == std::string::npos) refuse(mount, option, "is not one of a bind mount");
    context.warn(fmt::format("reading the mount on {}: option {} has no effect on a bind mount",
                             quoted(mount.target), quoted(option)));
  }
}

}  // namespace layerkit::runner
