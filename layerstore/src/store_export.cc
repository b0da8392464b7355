#include "store_export.h"

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/interruptible_source.h"
#include "stored_tar.h"

namespace layerkit {
namespace {

/// A stored layer's tar; at its end it is known to be the one that was imported.
class ExportedTar final : public ByteSource {
 public:
  ExportedTar(const StoreDirs& dirs, const ChainId& chain)
      : record_(dirs.layer(chain)),
        stored_(dirs.open_directory(chain.hex()), dirs.open_diff(chain.hex())),
        hashed_(stored_) {}

  std::size_t read(std::span<std::byte> buffer) override {
    return with_context([this] { return "exporting layer " + record_.info.diff_id.str(); },
                        [&] {
                          const std::size_t got = hashed_.read(buffer);
                          if (got == 0) check_end();
                          return got;
                        });
  }

 private:
  void check_end();

  LayerRecord record_;
  StoredTar stored_;
  HashingSource hashed_;
  bool is_checked_ = false;
};

void ExportedTar::check_end() {
  if (is_checked_) return;
  is_checked_ = true;
  const auto& end = stored_.end();
  if (!end || end->diff_id != record_.info.diff_id || end->tar_size != record_.info.tar_size) {
    fail(Errc::Integrity, "the recipe is that of another layer");
  }
  if (hashed_.size() != record_.info.tar_size || DiffId(hashed_.finish()) != record_.info.diff_id) {
    fail(Errc::Integrity, "the tar made from the store does not have the layer's digest");
  }
}

}  // namespace

std::unique_ptr<ByteSource> open_stored_layer(const StoreDirs& dirs, const ChainId& chain) {
  return with_context([&] { return "exporting layer " + chain.str(); },
                      [&] { return std::make_unique<ExportedTar>(dirs, chain); });
}

void export_stored_layer(const StoreDirs& dirs,
                         const ChainId& chain,
                         ByteSink& tar,
                         const Context& context) {
  const auto stored = open_stored_layer(dirs, chain);
  InterruptibleSource bytes(*stored, context);
  copy_bytes(bytes, tar);
}

}  // namespace layerkit
