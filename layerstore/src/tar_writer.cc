#include <algorithm>
#include <array>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "layerkit/layerstore/file_tar.h"
#include "layerkit/layerstore/tar.h"
#include "tar_header.h"
#include "tar_pax.h"

namespace layerkit {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr std::uint32_t kModeBits = 07777;
constexpr std::uint64_t kExtendedHeaderMode = 0644;

/// A header and the records for what it cannot say. Its fields look into its own names.
struct Member {
  Member() = default;
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() = default;

  UstarFields fields;
  std::string name;
  std::string link_name;
  std::string records;
};

bool holds_whiteout_name(const RelPath& path) {
  return path.str().starts_with(kWhiteoutPrefix) || path.str().find("/.wh.") != std::string::npos;
}

char type_flag(const Entry& entry) {
  if (entry.hard_link_target) return tar_type::kHardLink;
  switch (entry.type) {
    case FileType::Regular:
      return tar_type::kRegular;
    case FileType::Directory:
      return tar_type::kDirectory;
    case FileType::Symlink:
      return tar_type::kSymlink;
    case FileType::CharDevice:
      return tar_type::kCharDevice;
    case FileType::BlockDevice:
      return tar_type::kBlockDevice;
    case FileType::Fifo:
      return tar_type::kFifo;
    case FileType::Socket:
      break;
  }
  fail(Errc::Invalid, "a tar cannot hold sockets");
}

bool has_contents(const Entry& entry) {
  return entry.hides == Hides::Nothing && entry.type == FileType::Regular &&
         !entry.hard_link_target;
}

/// Puts the name into the header, split at a '/' when that makes it fit, or into a record.
void set_name(Member& member) {
  const std::string_view name = member.name;
  member.fields.name = name;
  if (name.size() <= kUstarName) return;
  // The latest slash that leaves a short enough prefix leaves the shortest name; not the last byte.
  const std::size_t slash = name.rfind('/', std::min(kUstarPrefix, name.size() - 2));
  if (slash != std::string_view::npos && slash > 0 && name.size() - slash - 1 <= kUstarName) {
    member.fields.prefix = name.substr(0, slash);
    member.fields.name = name.substr(slash + 1);
    return;
  }
  member.records += format_pax_record("path", name);
}

void set_link_name(Member& member) {
  member.fields.linkname = member.link_name;
  if (member.link_name.size() > kUstarName) {
    member.records += format_pax_record("linkpath", member.link_name);
  }
}

/// The number for the header; what does not fit goes into a record and leaves 0 there.
std::uint64_t fit_number(std::string_view key, std::uint64_t value, std::uint64_t max, Member& to) {
  if (value <= max) return value;
  to.records += format_pax_record(key, fmt::format("{}", value));
  return 0;
}

std::uint64_t fit_time(const Timestamp& time, Member& member) {
  const bool fits =
      time.seconds >= 0 && static_cast<std::uint64_t>(time.seconds) <= kUstarMaxNumber;
  if (!fits || time.nanoseconds != 0) {
    member.records += format_pax_record("mtime", format_pax_time(time));
  }
  return fits ? static_cast<std::uint64_t>(time.seconds) : 0;
}

void add_xattrs(const Xattrs& xattrs, Member& member) {
  for (const auto& [name, value] : xattrs) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      fail(Errc::Unsupported, "a tar cannot hold the name of xattr {}", quoted(name));
    }
    member.records += format_pax_record("SCHILY.xattr." + name, value);
  }
}

std::uint64_t checked_device(std::uint32_t number) {
  if (number > kUstarMaxId) fail(Errc::Invalid, "the device number {} is too large", number);
  return number;
}

/// `.wh.NAME` and `.wh..wh..opq` are empty files with no owner, mode or time of their own.
void describe_marker(const Entry& entry, Member& member) {
  if (entry.is_whiteout()) {
    member.name = (entry.path.parent() / encode_whiteout_name(entry.path.name())).str();
  } else {
    member.name = (entry.path / kOpaqueName).str();
  }
  set_name(member);
}

void describe_object(const Entry& entry, const Timestamp& mtime, Member& member) {
  member.fields.type = type_flag(entry);
  member.name = entry.path.str();
  if (member.fields.type == tar_type::kDirectory) {
    member.name = entry.path.is_root() ? "./" : member.name + "/";
  }
  set_name(member);
  if (entry.hard_link_target) {
    member.link_name = entry.hard_link_target->str();
  } else if (entry.type == FileType::Symlink) {
    member.link_name = entry.symlink_target;
  }
  set_link_name(member);
  UstarFields& fields = member.fields;
  fields.mode = entry.mode & kModeBits;
  fields.uid = fit_number("uid", entry.uid, kUstarMaxId, member);
  fields.gid = fit_number("gid", entry.gid, kUstarMaxId, member);
  fields.size = has_contents(entry) ? fit_number("size", entry.size, kUstarMaxNumber, member) : 0;
  fields.mtime = fit_time(mtime, member);
  if (entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice) {
    fields.device_major = checked_device(entry.device_major);
    fields.device_minor = checked_device(entry.device_minor);
  }
  add_xattrs(entry.xattrs, member);
}

void check_reserved(const Entry& entry, TarDialect dialect) {
  if (dialect == TarDialect::Literal) {
    if (entry.hides != Hides::Nothing) fail(Errc::Invalid, "an archive of files hides nothing");
    return;
  }
  if (holds_whiteout_name(entry.path) ||
      (entry.hard_link_target && holds_whiteout_name(*entry.hard_link_target))) {
    fail(Errc::Invalid, "names that start with '.wh.' are reserved for whiteouts");
  }
}

void check_names(const Entry& entry) {
  if (entry.path.is_root() && (entry.is_whiteout() || entry.type != FileType::Directory)) {
    fail(Errc::Invalid, "the root is not a directory");
  }
  const bool symlink = entry.type == FileType::Symlink && !entry.hard_link_target;
  if (symlink &&
      (entry.symlink_target.empty() || entry.symlink_target.find('\0') != std::string::npos)) {
    fail(Errc::Invalid, "its target {} is not a path", quoted(entry.symlink_target));
  }
}

class TarWriter final : public LayerWriter {
 public:
  TarWriter(ByteSink& sink, TarDialect dialect, const TarWriterOptions& options)
      : sink_(sink), dialect_(dialect), options_(options) {}

  void add(const Entry& entry, ByteSource& contents) override {
    with_context([&entry] { return fmt::format("writing tar entry {}", quoted(entry.path.str())); },
                 [&] {
                   check_reserved(entry, dialect_);
                   check_names(entry);
                   Member member;
                   if (entry.hides == Hides::Nothing) {
                     describe_object(entry, mtime_of(entry), member);
                   } else {
                     describe_marker(entry, member);
                   }
                   put_member(member);
                   if (has_contents(entry)) put_contents(entry.size, contents);
                 });
  }

  void finish() override {
    put_zeros(2 * kTarBlock);
    flush();
  }

 private:
  Timestamp mtime_of(const Entry& entry) const;
  void put_member(const Member& member);
  void put_block(const UstarFields& fields);
  void put_contents(std::uint64_t size, ByteSource& contents);
  void put(std::string_view bytes);
  void put_zeros(std::uint64_t count);
  std::span<std::byte> room();
  void flush();

  ByteSink& sink_;
  TarDialect dialect_;
  TarWriterOptions options_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferBytes);
  std::size_t filled_ = 0;
};

Timestamp TarWriter::mtime_of(const Entry& entry) const {
  if (!options_.clamp_mtime) return entry.mtime;
  return std::min(entry.mtime, Timestamp{*options_.clamp_mtime, 0});
}

void TarWriter::put_member(const Member& member) {
  if (!member.records.empty()) {
    // Tars that do not know PAX see a file of this name.
    std::string_view base = member.name;
    if (base.ends_with('/')) base.remove_suffix(1);
    const std::string name = fmt::format("PaxHeaders/{}", base.substr(base.rfind('/') + 1));
    UstarFields fields;
    fields.name = name;
    fields.mode = kExtendedHeaderMode;
    fields.size = member.records.size();
    fields.type = tar_type::kPaxEntry;
    put_block(fields);
    put(member.records);
    put_zeros(tar_padding(member.records.size()));
  }
  put_block(member.fields);
}

void TarWriter::put_block(const UstarFields& fields) {
  std::array<std::byte, kTarBlock> block{};
  format_ustar(fields, block);
  put({reinterpret_cast<const char*>(block.data()), block.size()});
}

void TarWriter::put_contents(std::uint64_t size, ByteSource& contents) {
  for (std::uint64_t left = size; left > 0;) {
    const auto free = room();
    const std::size_t got = contents.read(free.first(std::min<std::uint64_t>(free.size(), left)));
    if (got == 0) fail(Errc::Integrity, "it ends after {} of {} bytes", size - left, size);
    filled_ += got;
    left -= got;
  }
  std::array<std::byte, 1> more{};
  if (contents.read(more) != 0) fail(Errc::Integrity, "it is longer than its {} bytes", size);
  put_zeros(tar_padding(size));
}

void TarWriter::put(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto free = room();
    const auto piece = as_bytes(bytes.substr(0, free.size()));
    std::copy(piece.begin(), piece.end(), free.begin());
    filled_ += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

void TarWriter::put_zeros(std::uint64_t count) {
  constexpr std::array<char, 2 * kTarBlock> kZeros{};
  put({kZeros.data(), count});
}

/// Space for at least one byte.
std::span<std::byte> TarWriter::room() {
  if (filled_ == buffer_.size()) flush();
  return std::span(buffer_).subspan(filled_);
}

void TarWriter::flush() {
  if (filled_ > 0) sink_.write(std::span(buffer_).first(filled_));
  filled_ = 0;
}

}  // namespace

std::unique_ptr<LayerWriter> make_tar_writer(ByteSink& sink, const TarWriterOptions& options) {
  return std::make_unique<TarWriter>(sink, TarDialect::Layer, options);
}

std::unique_ptr<LayerWriter> make_file_tar_writer(ByteSink& sink) {
  return std::make_unique<TarWriter>(sink, TarDialect::Literal, TarWriterOptions());
}

}  // namespace layerkit
