#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/entry.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit {

/// Which images `prune --filter` means, with docker's keys: `until=TIME`, `label=KEY[=VALUE]`,
/// `label!=KEY[=VALUE]`, `dangling=BOOL`. All must hold.
class PruneFilter {
 public:
  /// Throws Error{Invalid} for a key or value it does not know. `now` is what ages count from.
  void add(const std::string& text, const Timestamp& now);

  /// What `dangling=` said, if anything.
  std::optional<bool> dangling() const noexcept { return dangling_; }
  /// Whether the image passes all others. An image that does not say when it was made is not older
  /// than anything.
  bool takes(const Image& image) const;

 private:
  struct Label {
    std::string key;
    std::optional<std::string> value;
    bool wanted;
  };

  std::optional<bool> dangling_;
  std::optional<Timestamp> until_;
  std::vector<Label> labels_;
};

/// A moment as docker's --until takes it: RFC 3339, also without zone (UTC), without seconds or
/// without time of day; seconds since the epoch; or an age such as "90s", "1h30m", "24h".
/// Throws Error{Invalid}.
Timestamp parse_moment(const std::string& text, const Timestamp& now);

}  // namespace layerkit
