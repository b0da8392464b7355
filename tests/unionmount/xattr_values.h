#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace layerkit::testing {

// Values of extended attributes that the kernel reads, as it wants them.

inline constexpr const char* kAccessAcl = "system.posix_acl_access";
inline constexpr const char* kDefaultAcl = "system.posix_acl_default";
inline constexpr const char* kCapability = "security.capability";

inline std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i)
    text += static_cast<char>((value >> (8 * i)) & 0xff);
  return text;
}

enum class AclTag : std::uint16_t {
  Owner = 0x01,
  User = 0x02,
  OwningGroup = 0x04,
  Group = 0x08,
  Mask = 0x10,
  Others = 0x20,
};
struct AclEntry {
  AclTag tag;
  unsigned permissions;  ///< 07
  std::uint32_t id = 0xffffffff;
};

/// An ACL as acl(5) has it in its attribute.
inline std::string acl_value(const std::vector<AclEntry>& entries) {
  std::string value = little_endian(2, 4);
  for (const AclEntry& entry : entries) {
    value += little_endian(static_cast<std::uint16_t>(entry.tag), 2);
    value += little_endian(entry.permissions, 2);
    value += little_endian(entry.id, 4);
  }
  return value;
}

/// Owner rw, the user `permissions`, group and others nothing.
inline std::string acl_for_user(std::uint32_t user, unsigned permissions) {
  return acl_value({{AclTag::Owner, 06},
                    {AclTag::User, permissions, user},
                    {AclTag::OwningGroup, 0},
                    {AclTag::Mask, 07},
                    {AclTag::Others, 0}});
}

/// cap_net_raw+ep of a file (revision 2).
inline std::string capability_value() {
  constexpr std::uint32_t kRevision2Effective = 0x02000001;
  constexpr std::uint32_t kNetRaw = 1U << 13;
  std::string value = little_endian(kRevision2Effective, 4) + little_endian(kNetRaw, 4);
  return value + std::string(12, '\0');
}

}  // namespace layerkit::testing
