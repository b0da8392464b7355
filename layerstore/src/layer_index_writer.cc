#include "layer_index_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {
namespace {

using namespace layer_index;  // NOLINT(google-build-using-namespace): the file is about nothing
                              // else

constexpr std::size_t kExtraBuffer = std::size_t{256} << 10;

Fd nameless_file(int directory) {
  return open_at(directory, ".", O_TMPFILE | O_RDWR, 0600);
}

void write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    const int err = errno;
    if (done < 0 && err != EINTR) fail_errno(err, "writing {}", quoted(store_file::kIndex));
    if (done < 0) continue;
    offset += static_cast<std::uint64_t>(done);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

}  // namespace

LayerIndexWriter::LayerIndexWriter(int layer_dir_fd, const Entry& root)
    : layer_dir_(layer_dir_fd),
      file_(nameless_file(layer_dir_fd)),
      spans_(nameless_file(layer_dir_fd)),
      extras_(nameless_file(layer_dir_fd)) {
  header_.directories = 1;
  put(record_of(root), root);
}

void LayerIndexWriter::begin_directory(std::uint32_t number) {
  directory_ = number;
  begin_ = place();
}

std::uint32_t LayerIndexWriter::add(std::string_view name, const Entry& entry) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    fail(Errc::Limit, "indexing {}: the name is longer than {} bytes", quoted(name), kMaxNameBytes);
  }
  Record record = record_of(entry);
  record.name = name;
  std::uint32_t number = 0;
  if (record.is_directory()) {
    if (header_.directories == std::numeric_limits<std::uint32_t>::max()) {
      fail(Errc::Limit, "indexing {}: the layer has more than {} directories", quoted(name),
           header_.directories);
    }
    number = header_.directories++;
    record.value = number;
  }
  put(record, entry);
  return number;
}

void LayerIndexWriter::end_directory() {
  std::array<std::byte, kSpanBytes> bytes{};
  encode_span({begin_, place()}, bytes);
  write_at(spans_.get(), std::uint64_t{directory_} * kSpanBytes, bytes);
}

void LayerIndexWriter::put(Record record, const Entry& entry) {
  const std::string extra = entry.is_whiteout() ? std::string() : encode_extra(entry);
  if (extra.size() > kMaxExtraBytes) {
    fail(Errc::Limit, "indexing {}: its extended attributes have more than {} bytes",
         quoted(record.name), kMaxExtraBytes);
  }
  if (!extra.empty()) {
    record.extra = {header_.extra_bytes, static_cast<std::uint32_t>(extra.size())};
    header_.extra_bytes += extra.size();
    extra_buffer_ += extra;
    if (extra_buffer_.size() >= kExtraBuffer) {
      write_all(extras_.get(), extra_buffer_, store_file::kIndex);
      extra_buffer_.clear();
    }
  }
  if (!add_record(page_, record, used_)) {
    flush_page();
    // A directory's children may begin on the page that was just found to be full.
    if (!add_record(page_, record, used_)) fail(Errc::Limit, "indexing {}", quoted(record.name));
  }
  ++slot_;
  ++header_.objects;
}

void LayerIndexWriter::flush_page() {
  if (next_page_ == std::numeric_limits<std::uint32_t>::max()) {
    fail(Errc::Limit, "writing the index of a layer: it has too many pages");
  }
  write_page(page_);
  page_.fill(std::byte{0});
  page_number_ = static_cast<std::uint32_t>(next_page_);
  slot_ = 0;
  used_ = 0;
}

void LayerIndexWriter::write_page(Page& page) {
  seal_page(page, next_page_);
  write_at(file_.get(), next_page_ * kPageBytes, page);
  ++next_page_;
}

std::uint32_t LayerIndexWriter::append_pages(int file,
                                             std::uint64_t bytes,
                                             std::size_t bytes_per_page) {
  std::uint32_t pages = 0;
  for (std::uint64_t done = 0; done < bytes; ++pages) {
    const std::size_t take = std::min<std::uint64_t>(bytes_per_page, bytes - done);
    Page page{};
    FileRangeSource source(file, done, take, store_file::kIndex);
    read_full(source, std::span(page).first(take));
    write_page(page);
    done += take;
  }
  return pages;
}

void LayerIndexWriter::finish() {
  flush_page();
  header_.table_pages = static_cast<std::uint32_t>(next_page_ - 1);
  header_.directory_pages = append_pages(
      spans_.get(), std::uint64_t{header_.directories} * kSpanBytes, kSpansPerPage * kSpanBytes);
  write_all(extras_.get(), extra_buffer_, store_file::kIndex);
  header_.extra_pages = append_pages(extras_.get(), header_.extra_bytes, kPayloadBytes);
  Page page{};
  encode_header(header_, page);
  seal_page(page, 0);
  write_at(file_.get(), 0, page);
  publish();
}

/// The index may be absent for a moment, but is never half: absence is allowed.
void LayerIndexWriter::publish() {
  unlink_at(layer_dir_, store_file::kIndex);
  link_nameless_file_at(file_.get(), layer_dir_, store_file::kIndex, 0600);
}

}  // namespace layerkit
