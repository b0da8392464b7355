#include "store_layout.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::string_view kLayerHeading = "layerkit-layer 1";
constexpr std::string_view kContainerHeading = "layerkit-container 1";
constexpr std::string_view kNone = "none";
constexpr std::string_view kInitSuffix = "-init";

/// Takes a record apart line by line; every line ends with a newline.
class RecordLines {
 public:
  explicit RecordLines(std::string_view text) : rest_(text) {}

  void heading(std::string_view wanted) {
    if (line() != wanted) fail(Errc::Integrity, "line {}: not {}", number_, quoted(wanted));
  }

  /// The value of the line "key value".
  std::string_view value(std::string_view key) {
    const std::string_view text = line();
    if (!text.starts_with(key) || !text.substr(key.size()).starts_with(' ')) {
      fail(Errc::Integrity, "line {}: no {}", number_, quoted(key));
    }
    return text.substr(key.size() + 1);
  }

  std::uint64_t number(std::string_view key) {
    const std::string_view text = value(key);
    const auto number = parse_decimal(text);
    // Formatting again refuses leading zeros: one value has one form.
    if (!number || std::to_string(*number) != text) {
      fail(Errc::Integrity, "line {}: {} is not a number", number_, quoted(text));
    }
    return *number;
  }

  template <typename Digest>
  Digest digest(std::string_view key) {
    return parse_digest<Digest>(value(key));
  }

  std::optional<ChainId> optional_chain(std::string_view key) {
    const std::string_view text = value(key);
    if (text == kNone) return std::nullopt;
    return parse_digest<ChainId>(text);
  }

  /// True for the first word, false for the second.
  bool either(std::string_view key, std::string_view first, std::string_view second) {
    const std::string_view text = value(key);
    if (text != first && text != second) {
      fail(Errc::Integrity, "line {}: neither {} nor {}", number_, quoted(first), quoted(second));
    }
    return text == first;
  }

  void end() const {
    if (!rest_.empty()) fail(Errc::Integrity, "line {}: text after the end", number_ + 1);
  }

 private:
  std::string_view line() {
    ++number_;
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) fail(Errc::Integrity, "line {}: missing", number_);
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  template <typename Digest>
  Digest parse_digest(std::string_view text) const {
    try {
      return Digest::parse(text);
    } catch (const Error& error) {
      fail(Errc::Integrity, "line {}: {}", number_, error.message());
    }
  }

  std::string_view rest_;
  unsigned number_ = 0;
};

std::string text_of(const std::optional<ChainId>& chain) {
  return chain ? chain->str() : std::string(kNone);
}

/// RFC 4648 base32 of the first `count * 5` bits.
std::string base32(const std::string& hex, std::size_t count) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string text;
  std::uint32_t bits = 0;
  unsigned have = 0;
  for (const char digit : hex) {
    if (text.size() == count) break;
    const int nibble = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    bits = (bits << 4U | static_cast<std::uint32_t>(nibble)) & 0xffU;
    have += 4;
    if (have >= 5) {
      have -= 5;
      text += kAlphabet[(bits >> have) & 31U];
    }
  }
  return text;
}

bool is_id_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_id_char(char c) {
  return is_id_start(c) || c == '_' || c == '.' || c == '-';
}

}  // namespace

std::string format_layer_record(const LayerRecord& record) {
  const LayerInfo& info = record.info;
  return fmt::format(
      "{}\nchain {}\ndiff {}\nparent {}\nsize {}\ntar-size {}\nentries {}\nreplaced {}\n"
      "beneath {}\n",
      kLayerHeading, info.chain.str(), info.diff_id.str(), text_of(info.parent), info.size,
      info.tar_size, record.entries, record.replaced,
      record.beneath == Beneath::Hidden ? "hidden" : "seen");
}

LayerRecord parse_layer_record(std::string_view text) {
  RecordLines lines(text);
  lines.heading(kLayerHeading);
  const auto chain = lines.digest<ChainId>("chain");
  const auto diff = lines.digest<DiffId>("diff");
  LayerRecord record{LayerInfo{chain, diff, lines.optional_chain("parent")}};
  record.info.size = lines.number("size");
  record.info.tar_size = lines.number("tar-size");
  record.entries = lines.number("entries");
  record.replaced = lines.number("replaced");
  record.beneath = lines.either("beneath", "hidden", "seen") ? Beneath::Hidden : Beneath::Seen;
  lines.end();
  if (chain_id(record.info.parent, diff) != chain) {
    fail(Errc::Integrity, "the chain ID is not that of the parent and the diff ID");
  }
  return record;
}

std::string format_container_record(const ContainerRecord& record) {
  return fmt::format("{}\nrole {}\nparent {}\n", kContainerHeading,
                     record.role == ContainerRole::Init ? "init" : "container",
                     text_of(record.parent));
}

ContainerRecord parse_container_record(std::string_view text) {
  RecordLines lines(text);
  ContainerRecord record;
  lines.heading(kContainerHeading);
  record.role =
      lines.either("role", "init", "container") ? ContainerRole::Init : ContainerRole::Container;
  record.parent = lines.optional_chain("parent");
  lines.end();
  return record;
}

std::string link_name(std::string_view directory) {
  return base32(Sha256::of(directory).hex(), 26);
}

std::string lower_text(const std::vector<std::string>& below) {
  std::string text;
  for (const std::string& name : below) {
    if (!text.empty()) text += ':';
    text += std::string(store_file::kLinks) + "/" + link_name(name);
  }
  return text;
}

std::string parents_text(const std::vector<std::string>& below) {
  std::string text;
  for (const std::string& name : below)
    text += name + "\n";
  return text;
}

void require_container_id(const std::string& id) {
  // 255 is NAME_MAX; "l" is the directory of links; "-init" is the name of another layer.
  const bool valid = !id.empty() && id.size() + kInitSuffix.size() <= 255 && is_id_start(id[0]) &&
                     std::all_of(id.begin(), id.end(), is_id_char) && id != store_file::kLinks &&
                     !id.ends_with(kInitSuffix);
  if (!valid) fail(Errc::Invalid, "{} is not a container ID", quoted(id));
}

std::string init_name(const std::string& id) {
  return id + std::string(kInitSuffix);
}

}  // namespace layerkit
