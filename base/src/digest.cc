#include "layerkit/base/digest.h"

#include <openssl/evp.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::string_view kPrefix = "sha256:";

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool decode_hex(std::string_view hex, std::array<unsigned char, Sha256Digest::kBytes>& bytes) {
  if (hex.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return true;
}

void check_openssl(int result, const char* doing) {
  if (result != 1) fail(Errc::Io, "{}: OpenSSL refused", doing);
}

}  // namespace

Sha256Digest Sha256Digest::from_hex(std::string_view hex) {
  std::array<unsigned char, kBytes> bytes{};
  if (!decode_hex(hex, bytes)) {
    fail(Errc::Invalid, "reading digest {}: not 64 lower-case hex digits", quoted(hex));
  }
  return Sha256Digest(bytes);
}

Sha256Digest Sha256Digest::parse(std::string_view text) {
  std::array<unsigned char, kBytes> bytes{};
  if (!text.starts_with(kPrefix) || !decode_hex(text.substr(kPrefix.size()), bytes)) {
    fail(Errc::Invalid, "reading digest {}: not 'sha256:' and 64 lower-case hex digits",
         quoted(text.substr(0, 200)));
  }
  return Sha256Digest(bytes);
}

std::string Sha256Digest::hex() const {
  std::string raw(bytes_.size(), '\0');
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    raw[i] = static_cast<char>(bytes_[i]);
  }
  return to_hex(raw);
}

ChainId chain_id(const std::optional<ChainId>& parent, const DiffId& layer) {
  if (!parent) return ChainId(layer.digest());
  return ChainId(Sha256::of(parent->str() + " " + layer.str()));
}

void Sha256::Free::operator()(EVP_MD_CTX* context) const noexcept {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  check_openssl(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), "starting SHA-256");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check_openssl(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()), "hashing SHA-256");
}

void Sha256::update(std::string_view bytes) {
  update(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

Sha256Digest Sha256::finish() {
  std::array<unsigned char, Sha256Digest::kBytes> bytes{};
  check_openssl(EVP_DigestFinal_ex(context_.get(), bytes.data(), nullptr), "finishing SHA-256");
  check_openssl(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr), "starting SHA-256");
  return Sha256Digest(bytes);
}

Sha256Digest Sha256::of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace layerkit
