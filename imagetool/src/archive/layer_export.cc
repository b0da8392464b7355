#include "archive/layer_export.h"

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"

namespace layerkit {
namespace {

LayerInfo find_layer(const Store& store, const ChainId& chain) {
  const auto info = store.find(chain);
  if (!info) fail(Errc::NotFound, "layer {} is not in the store", chain.str());
  return *info;
}

}  // namespace

LayerExport::LayerExport(const Store& store,
                         const ChainId& chain,
                         Compression compression,
                         const Context& context)
    : store_(store), context_(context), chain_(chain), digest_(chain.digest()), size_(0) {
  const LayerInfo info = find_layer(store, chain);
  digest_ = BlobId(info.diff_id.digest());
  size_ = info.tar_size;
  if (compression != Compression::None) compress(compression);
}

void LayerExport::compress(Compression compression) {
  file_ = store_.temporary_file();
  FdSink file(file_.get(), "temporary file");
  HashingSink hashed(file);
  const auto compressed = make_compressing_sink(hashed, compression);
  store_.export_layer(chain_, *compressed, context_);
  compressed->finish();
  size_ = hashed.size();
  digest_ = BlobId(hashed.finish());
}

void LayerExport::write(ByteSink& sink) const {
  if (!file_) {
    store_.export_layer(chain_, sink, context_);
    return;
  }
  FileRangeSource source(file_.get(), 0, size_, "temporary file");
  copy_bytes(source, sink);
}

}  // namespace layerkit
