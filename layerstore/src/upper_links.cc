#include "upper_links.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {

void UpperLinks::resolve(Entry& entry, const FileStat& stat, const OverlayNotes& notes) {
  if (stat.nlink < 2) return;
  const auto [found, added] = files_.try_emplace({stat.dev, stat.ino});
  Names& names = found->second;
  if (added) {
    names.first = entry.path;
    // With index=on, one name is in the work directory.
    names.wanted = noted_link_count(notes, stat.nlink).value_or(0);
  } else {
    entry.hard_link_target = names.first;
  }
  if (++names.seen == (names.wanted != 0 ? names.wanted : stat.nlink)) files_.erase(found);
}

void UpperLinks::check_complete() const {
  for (const auto& [key, names] : files_) {
    if (names.seen >= names.wanted) continue;
    fail(Errc::Unsupported,
         "reading {}: it was written by an overlay mount with index=on, and names that only lower "
         "layers have show it, too",
         quoted(names.first.absolute()));
  }
}

}  // namespace layerkit
