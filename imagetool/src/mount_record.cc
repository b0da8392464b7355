#include "mount_record.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_info.h"

namespace layerkit {

namespace {

constexpr std::array<std::pair<MountSource, std::string_view>, 3> kSources = {
    {{MountSource::Image, "image"},
     {MountSource::Container, "container"},
     {MountSource::Archive, "archive"}}};

std::string_view source_name(MountSource source) noexcept {
  return std::ranges::find(kSources, source, [](const auto& each) { return each.first; })->second;
}

MountSource parse_source(std::string_view name) {
  for (const auto& [source, known] : kSources) {
    if (known == name) return source;
  }
  fail(Errc::Invalid, "reading a mount record: {} is no source of mounts", quoted(name));
}

}  // namespace

std::string format_mount_record(const MountRecord& record) {
  const nlohmann::json json = {{"target", record.target},
                               {"source", source_name(record.source)},
                               {"id", record.id},
                               {"created_directory", record.created_directory},
                               {"dev", record.dev},
                               {"ino", record.ino},
                               {"backend", backend_name(record.backend)}};
  return json.dump(2) + "\n";
}

MountRecord parse_mount_record(std::string key, std::string_view text) {
  const auto document = parse_json(text, "mount record", kMaxMountRecordBytes);
  const JsonView json(document, "mount record");
  MountRecord record;
  record.key = std::move(key);
  record.target = json.at("target").string();
  record.source = parse_source(json.at("source").string());
  record.id = json.at("id").string();
  record.created_directory = json.at("created_directory").boolean();
  record.dev = json.at("dev").unsigned_number();
  record.ino = json.at("ino").unsigned_number();
  record.backend = parse_backend(json.string_or("backend", backend_name(MountBackend::Auto)));
  return record;
}

bool is_mounted(const MountRecord& record) {
  try {
    if (!is_mount_point(record.target)) return false;
    const auto root = stat_at(AT_FDCWD, record.target);
    return root && root->dev == record.dev && root->ino == record.ino;
  } catch (const Error& error) {
    // A FUSE union whose server was killed, which tells no inode any more.
    if (error.sys_errno() != ENOTCONN) throw;
    const auto mount = find_mount(record.target);
    return mount && mount->device == record.dev;
  }
}

}  // namespace layerkit
