#include "archive/layer_export.h"

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/interruptible_source.h"

namespace layerkit {

std::vector<LayerInput> stored_layers(const Store& store, const Image& image) {
  std::vector<LayerInput> layers;
  for (const ChainId& chain : image.chain_ids()) {
    const auto info = store.find(chain);
    if (!info) fail(Errc::NotFound, "layer {} is not in the store", chain.str());
    layers.push_back(
        {info->diff_id, info->tar_size, [&store, chain] { return store.open_layer(chain); }});
  }
  return layers;
}

LayerExport::LayerExport(const LayerInput& layer,
                         Compression compression,
                         int level,
                         const MakeTemporaryFile& make_temporary_file,
                         const Context& context)
    : layer_(layer), context_(context), digest_(layer.diff_id.digest()) {
  if (compression == Compression::None && layer.size) {
    size_ = *layer.size;
  } else {
    spool(compression, level, make_temporary_file);
  }
}

void LayerExport::spool(Compression compression,
                        int level,
                        const MakeTemporaryFile& make_temporary_file) {
  file_ = make_temporary_file();
  FdSink file(file_.get(), "temporary file");
  HashingSink hashed(file);
  const auto compressed = make_compressing_sink(hashed, compression, level);
  copy(*compressed);
  compressed->finish();
  size_ = hashed.size();
  digest_ = BlobId(hashed.finish());
}

void LayerExport::copy(ByteSink& sink) const {
  const auto tar = layer_.open();
  InterruptibleSource bytes(*tar, context_);
  copy_bytes(bytes, sink);
}

void LayerExport::write(ByteSink& sink) const {
  if (!file_) return copy(sink);
  FileRangeSource source(file_.get(), 0, size_, "temporary file");
  copy_bytes(source, sink);
}

}  // namespace layerkit
