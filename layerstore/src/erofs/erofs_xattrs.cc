#include "erofs/erofs_xattrs.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "diff_object.h"
#include "erofs/erofs_format.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "overlay_xattrs.h"
#include "packed_xattrs.h"

namespace layerkit {
namespace {

using erofs::Le32;
using erofs::XattrPrefix;

constexpr std::size_t kAlign = 4;
/// XATTR_NAME_MAX; values of XATTR_SIZE_MAX are one byte too long for the format.
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxValue = std::numeric_limits<std::uint16_t>::max();

constexpr std::array<std::pair<std::string_view, XattrPrefix>, 3> kPrefixes = {{
    {"user.", XattrPrefix::User},
    {"trusted.", XattrPrefix::Trusted},
    {"security.", XattrPrefix::Security},
}};
constexpr std::array<std::pair<std::string_view, XattrPrefix>, 2> kWholeNames = {{
    {kAccessAcl, XattrPrefix::PosixAclAccess},
    {kDefaultAcl, XattrPrefix::PosixAclDefault},
}};

/// The number that the beginning of a name has, and the rest.
std::pair<XattrPrefix, std::string_view> split_name(std::string_view name) {
  for (const auto& [whole, number] : kWholeNames) {
    if (name == whole) return {number, {}};
  }
  for (const auto& [prefix, number] : kPrefixes) {
    if (name.starts_with(prefix) && name.size() > prefix.size()) {
      return {number, name.substr(prefix.size())};
    }
  }
  fail(Errc::Unsupported, "storing the extended attribute {}: no file system has such names",
       quoted(name));
}

void append_number(std::string& to, std::uint32_t number) {
  const Le32 bytes(number);
  to.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

}  // namespace

template <typename Use>
void ErofsXattrs::for_each(const ErofsXattrSet& xattrs, const Use& use) {
  if (xattrs.opaque) {
    encode_one(private_overlay_xattr(format_.overlay_xattrs(), "opaque"), "y");
    use();
  }
  for (std::string_view rest = xattrs.packed; !rest.empty();) {
    const std::string name(take_text(rest));
    const std::string_view value = take_text(rest);
    if ((name == kAccessAcl && !xattrs.access_acl) || (name == kDefaultAcl && !xattrs.default_acl))
      continue;
    encode_one(stored_xattr_name(name, format_), value);
    use();
  }
}

void ErofsXattrs::encode_one(std::string_view stored_name, std::string_view value) {
  const auto [prefix, name] = split_name(stored_name);
  if (stored_name.size() > kMaxName) {
    fail(Errc::Limit, "storing the extended attribute {}: its name has more than {} bytes",
         quoted(stored_name.substr(0, kMaxName)), kMaxName);
  }
  if (value.size() > kMaxValue) {
    fail(Errc::Limit, "storing the extended attribute {}: its value has more than {} bytes",
         quoted(stored_name), kMaxValue);
  }
  erofs::XattrEntry entry;
  entry.name_size = static_cast<std::uint8_t>(name.size());
  entry.name_prefix = static_cast<std::uint8_t>(prefix);
  entry.value_size = static_cast<std::uint16_t>(value.size());
  one_.assign(reinterpret_cast<const char*>(&entry), sizeof entry);
  one_.append(name).append(value);
  one_.resize((one_.size() + kAlign - 1) / kAlign * kAlign, '\0');
}

void ErofsXattrs::count(const ErofsXattrSet& xattrs) {
  for_each(xattrs, [this] {
    const auto seen = seen_.find(std::string_view(one_));
    if (seen != seen_.end()) {
      seen->second.again = true;
      return;
    }
    seen_.emplace(std::pmr::string(one_, seen_.get_allocator()), Seen());
  });
}

std::string_view ErofsXattrs::encode(const ErofsXattrSet& xattrs) {
  area_.clear();
  own_.clear();
  if (!xattrs.opaque && xattrs.packed.empty()) return area_;
  erofs::XattrHeader header;
  area_.resize(sizeof header);
  std::size_t shared = 0;
  for_each(xattrs, [&] {
    const auto seen = seen_.find(std::string_view(one_));
    if (seen == seen_.end() || !seen->second.again || shared == erofs::kMaxSharedXattrs) {
      own_ += one_;
      return;
    }
    append_number(area_, place_of(seen->first, seen->second));
    ++shared;
  });
  if (area_.size() == sizeof header && own_.empty()) {
    area_.clear();
    return area_;
  }
  area_ += own_;
  if (area_.size() > erofs::kMaxXattrBytes) {
    fail(Errc::Limit, "storing the extended attributes: they have more than {} bytes together",
         erofs::kMaxXattrBytes);
  }
  header.shared_count = static_cast<std::uint8_t>(shared);
  area_.replace(0, sizeof header, reinterpret_cast<const char*>(&header), sizeof header);
  return area_;
}

std::uint32_t ErofsXattrs::place_of(const std::pmr::string& xattr, Seen& seen) {
  if (seen.place != kNowhere) return seen.place;
  if (shared_bytes_ / kAlign >= kNowhere) {
    fail(Errc::Limit, "storing the extended attributes: all of the layer's are too many");
  }
  seen.place = static_cast<std::uint32_t>(shared_bytes_ / kAlign);
  shared_.push_back(&xattr);
  shared_bytes_ += xattr.size();
  return seen.place;
}

void ErofsXattrs::write_shared(ErofsOutput& to) const {
  for (const std::pmr::string* xattr : shared_)
    to.write(*xattr);
}

}  // namespace layerkit
