#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

/// Bounds on what a tar may ask of us. A bound that is hit is Error{Limit} and named in it.
struct TarLimits {
  std::uint64_t entries = 10'000'000;
  /// Bytes of the tar, and bytes of all its files together, holes included.
  std::uint64_t unpacked_bytes = std::uint64_t{128} << 30;
  std::uint64_t path_bytes = 4095;                ///< PATH_MAX without NUL; names over 255 fail too
  std::uint64_t extended_header_bytes = 1 << 20;  ///< one PAX or GNU long-name header
  std::uint64_t sparse_pieces = 65'536;           ///< runs of data in one sparse file
};

/// Told about the bytes of a tar as they are read, in order; every byte of the stream is reported
/// exactly once. What is needed to write the same stream again later from the stored files.
class TarObserver {
 public:
  TarObserver() = default;
  TarObserver(const TarObserver&) = delete;
  TarObserver& operator=(const TarObserver&) = delete;
  virtual ~TarObserver() = default;

  /// Bytes that are not file contents: headers, extended headers, sparse maps, padding, the end
  /// marker and whatever follows it.
  virtual void on_framing(std::span<const std::byte> bytes) = 0;
  /// Stored contents of the entry that `next()` returns. A sparse file reports its data pieces;
  /// `file_offset` is where the piece stands in the file.
  virtual void on_contents(std::uint64_t file_offset, std::span<const std::byte> bytes) = 0;
};

/// How tar entries are read as layer entries.
enum class TarDialect {
  Layer,    ///< an image layer: `.wh.` names become markers (Hides), AUFS metadata is dropped but
            ///< for the files `.wh..wh.plnk/NAME`: hard links of the layer may name them
  Literal,  ///< an archive of files: names are taken as they are
};

/// Bytes of a file that stand in a tar.
struct TarExtent {
  std::uint64_t tar_offset = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t length = 0;
  bool operator==(const TarExtent&) const = default;
};

/// The names of an entry as the archive spells them, after extended headers had their say.
struct TarNames {
  std::string name;
  std::string link_name;
};

/// A tar as a layer.
class TarLayerReader : public LayerReader {
 public:
  /// Where the contents of the entry are that `next()` just returned, before any of them is read;
  /// what is between the extents of a sparse file is zeros.
  virtual std::vector<TarExtent> extents() const = 0;
  /// Of the entry that `next()` just returned, which has canonical paths.
  virtual const TarNames& names() const = 0;
};

/// Reads v7, ustar, pax, GNU (long names, base-256 numbers, sparse 0.0, 0.1, 1.0 and old) and
/// star tars from `source`, which must outlive the reader, to its very end: trailing bytes
/// included. `observer` may be null. Memory stays below 4 MiB whatever the tar claims.
///
/// In the Layer dialect `.wh.NAME` gives Entry{path: NAME, hides: Path} and `.wh..wh..opq` gives
/// Entry{path: its directory, hides: Below}: an entry of its own, apart from that of the directory.
///
/// Throws Error{Invalid} that names the entry and its offset for malformed headers, unknown type
/// flags, names that leave the root, NUL bytes, uids or gids above 2^32-2, PAX records that do not
/// parse; Error{Integrity} for a stream that ends inside an entry; Error{Unsupported} for star's
/// sparse files and for hard links to other AUFS metadata than `.wh..wh.plnk/NAME`. See
/// docs/formats/layer.md.
std::unique_ptr<TarLayerReader> make_tar_reader(ByteSource& source,
                                                TarDialect dialect,
                                                const TarLimits& limits = {},
                                                TarObserver* observer = nullptr);

struct TarWriterOptions {
  /// Times above this are lowered to it (SOURCE_DATE_EPOCH); unset: kept.
  std::optional<std::int64_t> clamp_mtime;
};

/// Writes a reproducible tar: ustar, with PAX records only where ustar cannot say it (long names,
/// large numbers, sub-second times, xattrs as SCHILY.xattr), numeric owners, no atime or ctime.
/// Whiteouts and opaque markers are written as `.wh.` names: empty files of mode, owner and time 0.
/// Two blocks of zeros end it. `sink` must outlive the writer; bytes may reach it only by `finish`.
/// Throws Error{Invalid} for an entry with a name that starts with ".wh." in its path, for sockets;
/// Error{Integrity} for contents that do not have the entry's size; Error{Unsupported} for an xattr
/// whose name holds '='.
std::unique_ptr<LayerWriter> make_tar_writer(ByteSink& sink, const TarWriterOptions& options = {});

}  // namespace layerkit
