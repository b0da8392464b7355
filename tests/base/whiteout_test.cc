#include "layerkit/base/whiteout.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(WhiteoutTest, DecodesTarNames) {
  EXPECT_EQ(decode_whiteout_name("x").kind, WhiteoutNameKind::None);
  EXPECT_EQ(decode_whiteout_name(".wh").kind, WhiteoutNameKind::None);
  EXPECT_EQ(decode_whiteout_name(".wh.x").kind, WhiteoutNameKind::Whiteout);
  EXPECT_EQ(decode_whiteout_name(".wh.x").hidden, "x");
  EXPECT_EQ(decode_whiteout_name(".wh..x").hidden, ".x");
  EXPECT_EQ(decode_whiteout_name(".wh..wh..opq").kind, WhiteoutNameKind::Opaque);
  EXPECT_EQ(decode_whiteout_name(".wh..wh.plnk").kind, WhiteoutNameKind::AufsMetadata);
}

TEST(WhiteoutTest, RefusesWhiteoutsOfNothingAndOfDots) {
  for (const char* name : {".wh.", ".wh..", ".wh..."}) {
    expect_error(Errc::Invalid, "it names no file", [name] { decode_whiteout_name(name); });
  }
}

TEST(WhiteoutTest, EncodingRefusesReservedNames) {
  EXPECT_EQ(encode_whiteout_name("x"), ".wh.x");
  expect_error(Errc::Invalid, "reserved", [] { encode_whiteout_name(".wh.x"); });
}

TEST(WhiteoutTest, OverlayXattrsRoundTripThroughEscaping) {
  for (const char* name : {"user.x", "trusted.overlay.opaque", "user.overlay.redirect",
                           "trusted.overlay.overlay.opaque", "security.capability"}) {
    const OverlayXattr decoded = decode_overlay_xattr(escape_overlay_xattr(name));
    EXPECT_FALSE(decoded.is_private) << name;
    EXPECT_EQ(decoded.name, name);
  }
}

TEST(WhiteoutTest, UnescapedOverlayXattrsArePrivate) {
  EXPECT_TRUE(decode_overlay_xattr("trusted.overlay.opaque").is_private);
  EXPECT_EQ(decode_overlay_xattr("user.overlay.opaque").name, "opaque");
}

TEST(WhiteoutTest, OnlyTheZeroCharacterDeviceIsAWhiteout) {
  EXPECT_TRUE(is_overlay_whiteout(FileType::CharDevice, 0, 0));
  EXPECT_FALSE(is_overlay_whiteout(FileType::BlockDevice, 0, 0));
  EXPECT_FALSE(is_overlay_whiteout(FileType::CharDevice, 0, 1));
}

}  // namespace
}  // namespace layerkit
