#include "erofs/erofs_acl.h"

#include <cstring>

#include "erofs/erofs_format.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

using erofs::Le16;
using erofs::Le32;

constexpr std::uint32_t kVersion = 2;

// Tags, in the order in which the entries of a list stand.
constexpr std::uint16_t kUserObject = 0x01;
constexpr std::uint16_t kUser = 0x02;
constexpr std::uint16_t kGroupObject = 0x04;
constexpr std::uint16_t kGroup = 0x08;
constexpr std::uint16_t kMask = 0x10;
constexpr std::uint16_t kOther = 0x20;

struct AclEntry {
  Le16 tag;
  Le16 permissions;
  Le32 id;
};
static_assert(sizeof(AclEntry) == 8);

[[noreturn]] void refuse(const char* reason) {
  fail(Errc::Invalid, "storing its access control list: {}", reason);
}

/// Users, groups, and the mode that the list amounts to.
struct Acl {
  std::uint32_t mode = 0;
  bool empty = true;
  bool extended = false;  ///< more than owner, group and others
};

bool may_repeat(std::uint16_t tag) {
  return tag == kUser || tag == kGroup;
}

void take(const AclEntry& entry, std::uint16_t last, Acl& acl) {
  constexpr std::uint32_t kAll = 07;
  constexpr std::uint32_t kNobody = 0xffff'ffff;
  const std::uint16_t tag = entry.tag.get();
  const std::uint32_t permissions = entry.permissions.get();
  if (tag < last || (tag == last && !may_repeat(tag))) refuse("its entries are out of order");
  if (permissions > kAll) refuse("it has unknown permissions");
  acl.empty = false;
  switch (tag) {
    case kUserObject:
      acl.mode |= permissions << 6U;
      break;
    case kGroupObject:
      acl.mode |= permissions << 3U;
      break;
    case kMask:
      acl.mode = (acl.mode & ~(kAll << 3U)) | permissions << 3U;
      acl.extended = true;
      break;
    case kOther:
      acl.mode |= permissions;
      break;
    case kUser:
    case kGroup:
      if (entry.id.get() == kNobody) refuse("it has an entry of nobody");
      acl.extended = true;
      break;
    default:
      refuse("it has unknown entries");
  }
}

Acl read_acl(std::string_view value) {
  Acl acl;
  if (value.empty()) return acl;
  Le32 version;
  if (value.size() < sizeof version) refuse("it is cut off");
  std::memcpy(&version, value.data(), sizeof version);
  value.remove_prefix(sizeof version);
  if (version.get() != kVersion) refuse("its version is unknown");
  if (value.size() % sizeof(AclEntry) != 0) refuse("it is cut off");
  std::uint16_t seen = 0;
  std::uint16_t last = 0;
  for (; !value.empty(); value.remove_prefix(sizeof(AclEntry))) {
    AclEntry entry;
    std::memcpy(&entry, value.data(), sizeof entry);
    take(entry, last, acl);
    last = entry.tag.get();
    seen |= last;
  }
  if (acl.empty) return acl;
  constexpr std::uint16_t kNeeded = kUserObject | kGroupObject | kOther;
  if ((seen & kNeeded) != kNeeded) refuse("it lacks the owner, the group or the others");
  if ((seen & (kUser | kGroup)) != 0 && (seen & kMask) == 0) refuse("it lacks a mask");
  return acl;
}

}  // namespace

AclEffect read_access_acl(std::string_view value, std::uint32_t mode) {
  constexpr std::uint32_t kPermissions = 0777;
  const Acl acl = read_acl(value);
  if (acl.empty) return {false, mode};
  return {acl.extended, (mode & ~kPermissions) | acl.mode};
}

AclEffect read_default_acl(std::string_view value) {
  return {!read_acl(value).empty, 0};
}

}  // namespace layerkit
