#pragma once

#include <cstdint>
#include <string_view>

namespace layerkit {

/// What becomes of an access control list when Linux is told to store it (posix_acl(5), kernel:
/// fs/posix_acl.c), which EROFS is not: it shows what the image has.
struct AclEffect {
  bool stored = true;      ///< false: the list says nothing, or no more than the mode does
  std::uint32_t mode = 0;  ///< of the file then, with an access list
};

/// The xattr system.posix_acl_access of a file of this mode. Throws Error{Invalid} for no list.
AclEffect read_access_acl(std::string_view value, std::uint32_t mode);
/// The xattr system.posix_acl_default.
AclEffect read_default_acl(std::string_view value);

}  // namespace layerkit
