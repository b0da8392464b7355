#include "layerkit/imagetool/image_mount.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/erofs_index.h"
#include "layerkit/unionmount/erofs_mount.h"
#include "layerkit/unionmount/mounter.h"
#include "owned_file_source.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

std::string describe(const ImageSource& source, std::size_t layer) {
  return fmt::format("layer {}/{} ({})", layer + 1, source.layers(),
                     source.image().diff_ids()[layer].str());
}

std::vector<PlainLayerFile> plain_files(ImageSource& source) {
  std::vector<PlainLayerFile> files;
  for (std::size_t i = 0; i < source.layers(); ++i) {
    auto file = source.plain_file(i);
    if (!file)
      fail(Errc::Unsupported, "mounting in place: only images of archives and OCI layouts are");
    files.push_back(std::move(*file));
  }
  return files;
}

/// Reads layers on threads of its own. An interruption of the caller's ends them.
class Verification {
 public:
  Verification(const ImageSource& source,
               const std::vector<PlainLayerFile>& files,
               const Context& context)
      : source_(source), files_(files) {
    context_.interrupted = context.interrupted;
    const std::size_t most = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t wanted = std::min(most, files.size());
    try {
      while (workers_.size() < wanted)
        workers_.push_back(std::async(std::launch::async, [this] { verify_layers(); }));
    } catch (const std::system_error&) {
      // Fewer do it, or finish() alone.
    }
  }
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;
  ~Verification() {
    next_ = files_.size();
    stopped_ = true;
  }

  /// Throws Error{Integrity} for the first layer that is not what it should be.
  void finish() {
    if (workers_.empty()) verify_layers();
    for (std::future<void>& worker : workers_)
      worker.get();
  }

 private:
  void verify_layers() {
    for (std::size_t i = next_++; i < files_.size(); i = next_++) {
      if (files_[i].is_verified) continue;
      with_context([&] { return describe(source_, i); }, [&] { verify(i); });
    }
  }

  void verify(std::size_t index) {
    const PlainLayerFile& file = files_[index];
    auto bytes =
        std::make_unique<OwnedFileSource>(file.file, file.offset, file.size, "the archive");
    const auto verified = make_verified_layer(std::move(bytes), source_.image().diff_ids()[index]);
    StoppableSource source(*verified, context_, stopped_);
    drain(source);
  }

  class StoppableSource final : public ByteSource {
   public:
    StoppableSource(ByteSource& source, const Context& context, const std::atomic<bool>& stopped)
        : source_(source, context), stopped_(stopped) {}
    std::size_t read(std::span<std::byte> buffer) override {
      if (stopped_) fail(Errc::Interrupted, "interrupted");
      return source_.read(buffer);
    }

   private:
    InterruptibleSource source_;
    const std::atomic<bool>& stopped_;
  };

  const ImageSource& source_;
  const std::vector<PlainLayerFile>& files_;
  Context context_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::vector<std::future<void>> workers_;  // waited for first
};

/// Mounts layers one after the other, base first.
class LayerMounter {
 public:
  explicit LayerMounter(const Context& context) : context_(context) {}

  void add(const PlainLayerFile& plain) {
    const TarBytes part = [plain](std::uint64_t at, std::uint64_t size) {
      return std::make_unique<OwnedFileSource>(plain.file, plain.offset + at, size, "the archive");
    };
    const auto tar = part(0, plain.size);
    const Fd image = open_temporary_file();
    ErofsIndexOptions options;
    options.data_offset = plain.offset;
    auto lower = trees_.empty() ? nullptr : make_union_view(trees_);
    ErofsIndexed indexed =
        write_erofs_index(*tar, std::move(lower), part, image.get(), temporary_, context_, options);
    trees_.push_back(std::move(indexed.layer));
    if (indexed.facts.hides_everything_below) mounts_.clear();
    mounts_.push_back(mount_erofs(image.get(), plain.file->get()));
  }
  /// Base first; without those that others hide entirely.
  std::vector<DetachedMount> mounts() && { return std::move(mounts_); }

 private:
  const Context& context_;
  std::shared_ptr<const Fd> temporary_ = std::make_shared<const Fd>(open_temporary_directory());
  std::vector<std::shared_ptr<const LayerTree>> trees_;
  std::vector<DetachedMount> mounts_;
};

DetachedMount unite(std::vector<DetachedMount> layers) {
  // It says already all that a union of it would.
  if (layers.size() == 1) return std::move(layers.front());
  UnionSpec spec;
  spec.whiteouts = WhiteoutFormat::Overlay;
  spec.read_only = spec.no_suid = spec.no_dev = true;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
    spec.branches.push_back({std::move(*layer).release(), BranchAccess::ReadOnly});
  try {
    return make_overlay_mounter()->mount(spec);
  } catch (const Error& error) {
    if (error.sys_errno() != EINVAL) throw;
    throw Error(Errc::Unsupported, EINVAL,
                fmt::format("{}; overlayfs takes mounts that are attached nowhere since Linux 6.15",
                            error.message()));
  }
}

}  // namespace

DetachedMount mount_in_place(ImageSource& source, LayerCheck check, const Context& context) {
  const std::vector<PlainLayerFile> files = plain_files(source);
  std::optional<Verification> verification;
  if (check == LayerCheck::Full) verification.emplace(source, files, context);
  LayerMounter layers(context);
  for (std::size_t i = 0; i < files.size(); ++i)
    with_context([&] { return describe(source, i); }, [&] { layers.add(files[i]); });
  DetachedMount mount = unite(std::move(layers).mounts());
  if (verification) verification->finish();
  return mount;
}

}  // namespace layerkit
