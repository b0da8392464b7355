#pragma once

#include <cstddef>
#include <string>

namespace layerkit::bench {

/// An uncompressed layer tar of `files` regular files of `file_bytes` each, 100 to a directory,
/// with contents that neither repeat nor compress to nothing. The same arguments give the same
/// bytes.
std::string make_sample_layer(std::size_t files, std::size_t file_bytes);

}  // namespace layerkit::bench
