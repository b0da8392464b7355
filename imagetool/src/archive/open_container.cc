#include <fcntl.h>
#include <unistd.h>

#include "archive/blob_container.h"
#include "archive/progress_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {
namespace {

Compression sniff(int fd,
                  std::uint64_t size,
                  const std::string& name,
                  const DecompressionLimits& limits) {
  FileRangeSource source(fd, 0, size, name);
  const auto plain = make_decompressing_source(source, name, limits);
  std::byte first{};
  plain->read(std::span(&first, 1));
  return plain->compression();
}

/// Stops in front of the first byte too many.
class BoundedSink final : public ByteSink {
 public:
  BoundedSink(ByteSink& inner, std::uint64_t max_bytes) : inner_(inner), left_(max_bytes) {}

  void write(std::span<const std::byte> bytes) override {
    if (bytes.size() > left_)
      fail(Errc::Limit, "it is too large to be spooled (the limit max-size)");
    left_ -= bytes.size();
    inner_.write(bytes);
  }

 private:
  ByteSink& inner_;
  std::uint64_t left_;
};

/// The stream's plain bytes in a nameless file.
Fd spool(int fd,
         std::uint64_t size,
         const std::string& name,
         const MakeTemporaryFile& make_temporary_file,
         const Context& context,
         const LoadLimits& limits) {
  Fd file = make_temporary_file();
  FdSource input(fd, name);
  ProgressSource counted(input, "reading " + escaped(name), size, context);
  const auto plain = make_decompressing_source(counted, name, limits.decompression);
  FdSink sink(file.get(), "temporary file");
  BoundedSink bounded(sink, limits.archive_bytes);
  with_context([&] { return "reading archive " + quoted(name); },
               [&] { copy_bytes(*plain, bounded); });
  return file;
}

std::unique_ptr<BlobContainer> open_file(Fd file,
                                         std::string name,
                                         const MakeTemporaryFile& make_temporary_file,
                                         const Context& context,
                                         const LoadLimits& limits) {
  const FileStat stat = stat_fd(file.get());
  if (stat.type == FileType::Directory) {
    fail(Errc::Invalid, "{} is not an image archive: it is a directory", quoted(name));
  }
  const bool is_plain =
      stat.type == FileType::Regular && ::lseek(file.get(), 0, SEEK_CUR) == 0 &&
      sniff(file.get(), stat.size, name, limits.decompression) == Compression::None;
  if (!is_plain) file = spool(file.get(), stat.size, name, make_temporary_file, context, limits);
  return make_tar_container(std::move(file), std::move(name), context);
}

}  // namespace

std::unique_ptr<BlobContainer> open_container(const std::string& input,
                                              const MakeTemporaryFile& make_temporary_file,
                                              const Context& context,
                                              const LoadLimits& limits) {
  if (input == "-") {
    Fd copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    const int err = errno;
    if (!copy) fail_errno(err, "opening standard input");
    return open_file(std::move(copy), "standard input", make_temporary_file, context, limits);
  }
  Fd file = open_at(AT_FDCWD, input, O_RDONLY | O_NOCTTY);
  if (stat_fd(file.get()).type == FileType::Directory) {
    return make_directory_container(std::move(file), input);
  }
  return open_file(std::move(file), input, make_temporary_file, context, limits);
}

}  // namespace layerkit
