#include "erofs/erofs_directory.h"

#include <span>

namespace layerkit {

bool ErofsDirectoryBlocks::add(const ErofsName& name) {
  const std::size_t needed = sizeof(erofs::DirectoryEntry) + name.name.size();
  const bool full = used_ + needed > erofs::kBlock;
  if (full) {
    encode();
    count_ = 0;
    used_ = 0;
  }
  names_.at(count_++) = name;
  used_ += needed;
  return full;
}

void ErofsDirectoryBlocks::encode() {
  const std::span names = std::span(names_).first(count_);
  block_.clear();
  std::size_t name_at = count_ * sizeof(erofs::DirectoryEntry);
  for (const ErofsName& name : names) {
    erofs::DirectoryEntry entry;
    entry.nid = name.nid;
    entry.name_at = static_cast<std::uint16_t>(name_at);
    entry.type = static_cast<std::uint8_t>(name.type);
    block_.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    name_at += name.name.size();
  }
  for (const ErofsName& name : names)
    block_.append(name.name);
}

}  // namespace layerkit
