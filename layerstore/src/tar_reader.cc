#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/layerstore/tar.h"
#include "tar_contents.h"
#include "tar_entry.h"
#include "tar_header.h"
#include "tar_input.h"
#include "tar_pax.h"

namespace layerkit {
namespace {

constexpr std::uint64_t kMaxFileSize = INT64_MAX;  // off_t

/// What the extended headers in front of an entry say about it.
struct Extensions {
  std::optional<PaxValues> pax;
  std::optional<std::string> long_name;
  std::optional<std::string> long_link;

  bool any() const noexcept { return pax || long_name || long_link; }
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Engines disagree which of two names wins; only archives made to deceive have both.
std::string pick_name(std::string_view what,
                      const std::optional<std::string>& pax,
                      const std::optional<std::string>& gnu,
                      const std::string& header) {
  if (pax && gnu && *pax != *gnu) fail(Errc::Invalid, "it has two different {}s", what);
  if (pax) return *pax;
  return gnu ? *gnu : header;
}

class TarReader final : public TarLayerReader {
 public:
  TarReader(ByteSource& source, TarDialect dialect, const TarLimits& limits, TarObserver* observer)
      : dialect_(dialect), limits_(limits), input_(source, observer), contents_(input_, place_) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override { return contents_; }
  std::vector<TarExtent> extents() const override { return contents_.extents(); }
  const TarNames& names() const override { return names_; }

 private:
  bool read_block(std::string_view what);
  bool read_header();
  void end();
  bool take_extension();
  std::string_view peek_extension();
  void set_long_name(std::optional<std::string>& name);
  std::optional<Entry> read_entry();
  TarNames take_names(const PaxValues& pax, Extensions& extensions) const;
  void start_contents(PaxValues& pax, std::uint64_t stored, Entry& entry);
  void start_sparse(PaxSparse& sparse, std::uint64_t stored, Entry& entry);
  void start_gnu_sparse(std::uint64_t stored, Entry& entry);
  std::uint64_t stored_bytes(const PaxValues& pax);
  bool followed_by_header();
  void count_bytes(std::uint64_t file_bytes, std::uint64_t stored);
  [[noreturn]] void fail_too_large() const;
  PaxValues pax_with_globals(std::optional<PaxValues> pax) const;

  TarHeader header() const { return TarHeader(block_); }

  TarDialect dialect_;
  TarLimits limits_;
  TarInput input_;
  TarPlace place_;
  TarContents contents_;
  TarNames names_;
  std::array<std::byte, kTarBlock> block_{};
  Extensions extensions_;
  PaxValues globals_;
  std::uint64_t entries_ = 0;
  std::uint64_t file_bytes_ = 0;
  bool ended_ = false;
};

std::optional<Entry> TarReader::next() {
  while (!ended_) {
    contents_.skip_rest();
    if (!read_header()) {
      end();
      break;
    }
    auto entry = with_context([this] { return place_.text(); },
                              [this]() -> std::optional<Entry> {
                                if (take_extension()) return std::nullopt;
                                return read_entry();
                              });
    if (entry) return entry;
  }
  return std::nullopt;
}

/// Copies the next block and consumes it; false when the stream ends in front of it.
bool TarReader::read_block(std::string_view what) {
  const auto block = input_.peek(kTarBlock);
  if (block.empty()) return false;
  if (block.size() < kTarBlock) {
    fail(Errc::Integrity, "reading the tar at byte {}: it ends inside {}", input_.offset(), what);
  }
  std::memcpy(block_.data(), block.data(), kTarBlock);
  input_.skip_framing(kTarBlock);
  return true;
}

/// False at the end of the archive: one block of zeros is enough of a mark, as for GNU tar.
bool TarReader::read_header() {
  const std::uint64_t offset = input_.offset();
  if (!read_block("a header")) {
    if (!extensions_.any()) return false;
    fail(Errc::Integrity, "{}: the tar ends after it, before its entry", place_.text());
  }
  if (header().is_zero()) {
    if (!extensions_.any()) return false;
    fail(Errc::Invalid, "{}: it belongs to no entry", place_.text());
  }
  if (!header().checksum_matches()) {
    fail(Errc::Invalid, "reading the tar header at byte {}: its checksum is wrong", offset);
  }
  place_.offset = offset;
  place_.name = header().name();
  return true;
}

void TarReader::end() {
  ended_ = true;
  const std::uint64_t allowed =
      limits_.unpacked_bytes - std::min(input_.offset(), limits_.unpacked_bytes);
  input_.skip_framing(allowed);
  if (!input_.peek(1).empty()) fail_too_large();
}

/// True when the header was one that speaks about others.
bool TarReader::take_extension() {
  switch (header().type()) {
    case tar_type::kPaxEntry:
      if (extensions_.pax) fail(Errc::Invalid, "it is the second extended header of one entry");
      read_pax_records(peek_extension(), limits_, extensions_.pax.emplace());
      break;
    case tar_type::kPaxGlobal:
      read_pax_globals(peek_extension(), globals_);
      break;
    case tar_type::kGnuLongName:
      set_long_name(extensions_.long_name);
      break;
    case tar_type::kGnuLongLink:
      set_long_name(extensions_.long_link);
      break;
    default:
      return false;
  }
  count_bytes(0, header().size());
  contents_.set_framing(header().size());
  return true;
}

/// The body of an extended header, not consumed.
std::string_view TarReader::peek_extension() {
  const std::uint64_t size = header().size();
  if (size > limits_.extended_header_bytes) {
    fail(Errc::Limit, "the extended header has {} bytes, more than {}", size,
         limits_.extended_header_bytes);
  }
  const auto body = input_.peek(size);
  if (body.size() < size) fail(Errc::Integrity, "the tar ends inside it");
  return as_text(body);
}

void TarReader::set_long_name(std::optional<std::string>& name) {
  const std::string_view body = peek_extension();
  const std::string_view text = body.substr(0, body.find('\0'));
  if (text.size() > limits_.path_bytes) {
    fail(Errc::Limit, "the long name has more than {} bytes (the limit max-path-length)",
         limits_.path_bytes);
  }
  if (name && *name != text) fail(Errc::Invalid, "it is the second long name of one entry");
  name = std::string(text);
}

std::optional<Entry> TarReader::read_entry() {
  if (++entries_ > limits_.entries) {
    fail(Errc::Limit, "the tar has more than {} entries (the limit max-entries)", limits_.entries);
  }
  Extensions extensions = std::exchange(extensions_, {});
  PaxValues pax = pax_with_globals(std::move(extensions.pax));
  names_ = take_names(pax, extensions);
  place_.name = names_.name;
  const std::uint64_t stored = stored_bytes(pax);
  std::optional<Entry> entry = make_tar_entry(header(), pax, names_, limits_);
  start_contents(pax, stored, *entry);
  count_bytes(entry->size, stored);
  entry->xattrs = std::move(pax.xattrs);
  if (dialect_ == TarDialect::Layer) entry = as_layer_entry(std::move(*entry));
  if (entry) check_path_limits(entry->path, limits_);
  if (!entry || entry->is_whiteout() || entry->hides == Hides::Below) contents_.drop_file();
  return entry;
}

/// Sizes are believed only as far as they do not ask for more than is allowed.
void TarReader::count_bytes(std::uint64_t file_bytes, std::uint64_t stored) {
  if (file_bytes > limits_.unpacked_bytes - file_bytes_ ||
      stored > limits_.unpacked_bytes - std::min(input_.offset(), limits_.unpacked_bytes)) {
    fail_too_large();
  }
  file_bytes_ += file_bytes;
}

void TarReader::fail_too_large() const {
  fail(Errc::Limit, "the tar unpacks to more than {} bytes (the limit max-layer-size)",
       limits_.unpacked_bytes);
}

TarNames TarReader::take_names(const PaxValues& pax, Extensions& extensions) const {
  TarNames names;
  names.name = pick_name("name", pax.path, extensions.long_name, header().name());
  // A PAX sparse file has a made-up path for tars that do not know sparse files.
  if (pax.sparse.present() && pax.sparse.name) names.name = *pax.sparse.name;
  names.link_name =
      pick_name("link name", pax.link_path, extensions.long_link, header().link_name());
  return names;
}

PaxValues TarReader::pax_with_globals(std::optional<PaxValues> pax) const {
  PaxValues values = pax ? std::move(*pax) : PaxValues();
  if (!values.uid) values.uid = globals_.uid;
  if (!values.gid) values.gid = globals_.gid;
  if (!values.mtime) values.mtime = globals_.mtime;
  return values;
}

/// How many bytes follow the header before the padding, sparse maps included.
std::uint64_t TarReader::stored_bytes(const PaxValues& pax) {
  const std::uint64_t size = pax.size ? *pax.size : header().size();
  if (size > kMaxFileSize) fail(Errc::Invalid, "its size {} is too large", size);
  if (is_tar_file_type(header().type())) return size;
  // POSIX pax lets a hard link bring contents, ustar and GNU tar ignore its size: look.
  const bool link = header().type() == tar_type::kHardLink;
  return link && size > 0 && !followed_by_header() ? size : 0;
}

bool TarReader::followed_by_header() {
  const auto block = input_.peek(kTarBlock);
  if (block.size() < kTarBlock) return block.empty();
  const TarHeader next(block.first<kTarBlock>());
  return next.is_zero() || next.checksum_matches();
}

void TarReader::start_contents(PaxValues& pax, std::uint64_t stored, Entry& entry) {
  const bool gnu_sparse = header().type() == tar_type::kGnuSparse;
  const bool is_file = is_tar_file_type(header().type()) && entry.type == FileType::Regular;
  if ((pax.sparse.present() && (gnu_sparse || !is_file)) ||
      (pax.star_real_size && *pax.star_real_size != stored)) {
    fail(Errc::Unsupported, "it is a sparse file in an unknown format");
  }
  if (!is_file) return contents_.set_framing(stored);
  if (gnu_sparse) return start_gnu_sparse(stored, entry);
  if (pax.sparse.present()) return start_sparse(pax.sparse, stored, entry);
  entry.size = stored;
  contents_.set_file(stored);
}

void TarReader::start_sparse(PaxSparse& sparse, std::uint64_t stored, Entry& entry) {
  const bool in_contents = sparse.has_map_in_contents();
  SparseMap map = sparse.map ? std::move(*sparse.map) : SparseMap(limits_.sparse_pieces);
  if (in_contents) {
    SparseMapReader reader(limits_.sparse_pieces);
    for (bool complete = false; !complete; stored -= kTarBlock) {
      if (stored < kTarBlock) fail(Errc::Invalid, "its sparse map is longer than its contents");
      if (!read_block("a sparse map")) fail(Errc::Integrity, "the tar ends inside it");
      complete = reader.take(as_text(block_));
    }
    map = reader.release();
  }
  entry.size = sparse.file_size();
  map.check(entry.size, stored);
  contents_.set_sparse_file(map.release(), entry.size);
}

void TarReader::start_gnu_sparse(std::uint64_t stored, Entry& entry) {
  if (header().format() != TarFormat::Gnu) {
    fail(Errc::Unsupported, "it is a sparse file in an unknown format");
  }
  SparseMap map(limits_.sparse_pieces);
  GnuSparseHeader sparse = read_gnu_sparse_header(header(), map);
  while (sparse.more_follows) {
    if (!read_block("a sparse map")) fail(Errc::Integrity, "the tar ends inside it");
    sparse.more_follows = read_gnu_sparse_extension(header(), map);
  }
  entry.size = sparse.file_size;
  map.check(entry.size, stored);
  contents_.set_sparse_file(map.release(), entry.size);
}

}  // namespace

std::unique_ptr<TarLayerReader> make_tar_reader(ByteSource& source,
                                                TarDialect dialect,
                                                const TarLimits& limits,
                                                TarObserver* observer) {
  return std::make_unique<TarReader>(source, dialect, limits, observer);
}

}  // namespace layerkit
