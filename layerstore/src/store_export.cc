#include "store_export.h"

#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "stored_tar.h"

namespace layerkit {
namespace {

void check_end(const std::optional<recipe::End>& end, const LayerRecord& record) {
  if (!end || end->diff_id != record.info.diff_id || end->tar_size != record.info.tar_size) {
    fail(Errc::Integrity, "the recipe is that of another layer");
  }
}

void write_tar(StoredTar& tar, const LayerRecord& record, ByteSink& to, const Context& context) {
  HashingSink hashed(to);
  std::vector<std::byte> buffer(std::size_t{256} << 10);
  while (const std::size_t got = tar.read(buffer)) {
    context.check_interrupted();
    hashed.write(std::span(buffer).first(got));
  }
  check_end(tar.end(), record);
  if (hashed.size() != record.info.tar_size || DiffId(hashed.finish()) != record.info.diff_id) {
    fail(Errc::Integrity, "the tar made from the store does not have the layer's digest");
  }
}

}  // namespace

void export_stored_layer(const StoreDirs& dirs,
                         const ChainId& chain,
                         ByteSink& tar,
                         const Context& context) {
  const LayerRecord record = dirs.layer(chain);
  with_context([&] { return "exporting layer " + record.info.diff_id.str(); },
               [&] {
                 StoredTar stored(dirs.open_directory(chain.hex()), dirs.open_diff(chain.hex()));
                 write_tar(stored, record, tar, context);
               });
}

}  // namespace layerkit
