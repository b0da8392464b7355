#include "diff_walk.h"

#include <fcntl.h>

#include <array>
#include <cstring>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

/// What is in front of a name on the stack: its depth and its number.
using Head = std::array<std::uint32_t, 2>;

}  // namespace

DiffWalk::DiffWalk(Fd root, int scratch_dir) : current_(std::move(root)), waiting_(scratch_dir) {
  const FileStat stat = stat_fd(current_.get());
  levels_.push_back({stat.dev, stat.ino});
}

void DiffWalk::add_names(NameSorter& names, DiffFormat format) const {
  for_each_in_dir(fd(), [&](std::string_view name) {
    if (!is_reserved_name(name, format)) {
      names.add(name);
    } else if (const WhiteoutName whiteout = decode_whiteout_name(name);
               whiteout.kind == WhiteoutNameKind::Whiteout) {
      names.add(whiteout.hidden);
    }
    return true;
  });
}

void DiffWalk::visit_later(std::string_view name, std::uint32_t number) {
  const Head head = {static_cast<std::uint32_t>(levels_.size()), number};
  std::string text(sizeof(head), '\0');
  std::memcpy(text.data(), head.data(), sizeof(head));
  waiting_.push(text.append(name));
}

bool DiffWalk::next() {
  const auto text = waiting_.pop();
  if (!text) return false;
  Head head{};
  std::memcpy(head.data(), text->data(), sizeof(head));
  while (levels_.size() > head[0])
    ascend();
  descend(text->substr(sizeof(head)));
  dir_.number = head[1];
  return true;
}

void DiffWalk::ascend() {
  levels_.pop_back();
  current_ = open_at(current_.get(), "..", O_RDONLY | O_DIRECTORY);
  const FileStat stat = stat_fd(current_.get());
  if (stat.dev != levels_.back().dev || stat.ino != levels_.back().ino) {
    fail(Errc::Busy, "walking {}: the directory was moved meanwhile", quoted(dir_.path.absolute()));
  }
  dir_.path = dir_.path.parent();
}

void DiffWalk::descend(const std::string& name) {
  current_ = open_dir_at(current_.get(), name);
  const FileStat stat = stat_fd(current_.get());
  levels_.push_back({stat.dev, stat.ino});
  dir_.path = dir_.path / name;
}

}  // namespace layerkit
