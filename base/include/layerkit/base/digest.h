#pragma once

#include <openssl/types.h>

#include <array>
#include <compare>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace layerkit {

/// A SHA-256 value. The only ways to make one are hashing and the strict parsers, so a digest that
/// came from an archive can be used as a file name (`hex()`) without further checks.
class Sha256Digest {
 public:
  static constexpr std::size_t kBytes = 32;

  explicit Sha256Digest(const std::array<unsigned char, kBytes>& bytes) : bytes_(bytes) {}
  /// Exactly 64 lower-case hex digits, else Error{Invalid}.
  static Sha256Digest from_hex(std::string_view hex);
  /// Exactly "sha256:" and 64 lower-case hex digits, else Error{Invalid} that names the text.
  static Sha256Digest parse(std::string_view text);

  std::string hex() const;
  /// "sha256:<hex>".
  std::string str() const { return "sha256:" + hex(); }

  auto operator<=>(const Sha256Digest&) const = default;

 private:
  std::array<unsigned char, kBytes> bytes_;
};

/// A digest that says what it is a digest of; different kinds do not mix.
template <typename Kind>
class TypedDigest {
 public:
  explicit TypedDigest(Sha256Digest digest) : digest_(digest) {}
  static TypedDigest parse(std::string_view text) { return TypedDigest(Sha256Digest::parse(text)); }
  static TypedDigest from_hex(std::string_view hex) {
    return TypedDigest(Sha256Digest::from_hex(hex));
  }

  const Sha256Digest& digest() const noexcept { return digest_; }
  std::string hex() const { return digest_.hex(); }
  std::string str() const { return digest_.str(); }

  auto operator<=>(const TypedDigest&) const = default;

 private:
  Sha256Digest digest_;
};

/// Digest of a layer's uncompressed tar, every byte to end of file (OCI image spec, "DiffID").
using DiffId = TypedDigest<struct DiffIdKind>;
/// Digest of a stack of layers (OCI image spec, "ChainID").
using ChainId = TypedDigest<struct ChainIdKind>;
/// Digest of an image's config bytes as stored (OCI image spec, "ImageID").
using ImageId = TypedDigest<struct ImageIdKind>;
/// Digest of a blob's bytes as transported, usually compressed.
using BlobId = TypedDigest<struct BlobIdKind>;

/// ChainID of a layer on its parent; without parent it is the DiffID itself.
ChainId chain_id(const std::optional<ChainId>& parent, const DiffId& layer);

/// Incremental SHA-256. Not thread-safe; movable.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();

  void update(std::span<const std::byte> bytes);
  void update(std::string_view bytes);
  /// The digest of all bytes so far; starts a new hash.
  Sha256Digest finish();

  static Sha256Digest of(std::string_view bytes);

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace layerkit

template <typename Kind>
struct std::hash<layerkit::TypedDigest<Kind>> {
  std::size_t operator()(const layerkit::TypedDigest<Kind>& value) const {
    return std::hash<std::string>{}(value.hex());
  }
};
