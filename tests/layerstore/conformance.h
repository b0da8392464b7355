#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "expect_error.h"
#include "layer_stack.h"
#include "raw_tar.h"
#include "user_namespace.h"

namespace layerkit::testing {

using Lines = std::vector<std::string>;

/// A kind of diff directory, and who makes it.
struct Driver {
  const char* name;
  DiffFormat format;
  bool in_user_namespace;
};

inline std::ostream& operator<<(std::ostream& out, const Driver& driver) {
  return out << driver.name;
}

inline constexpr Driver kOverlay{"overlay", DiffFormat::overlay(), false};
inline constexpr Driver kOverlayOfUser{"overlay_user", DiffFormat::overlay(OverlayXattrs::User),
                                       true};
inline constexpr Driver kAufs{"aufs", DiffFormat::aufs(), false};

/// What a layer's tar means, rule by rule; tests are named by the rule's number and what it
/// protects. Layers are tars, byte by byte; what they show is what a mount shows (of AUFS: what its
/// source says) and, checked at the same time, what the union view shows.
class Conformance : public PrivateMountsTest, public ::testing::WithParamInterface<Driver> {
 protected:
  using Body = std::function<void(LayerStack&)>;

  void run(const Body& body) {
    if (!GetParam().in_user_namespace) {
      LayerStack stack(GetParam().format);
      return body(stack);
    }
    if (!tmpfs_keeps_user_xattrs()) {
      GTEST_SKIP() << "needs a tmpfs that keeps user.* attributes";
    }
    in_user_namespace([&] {
      LayerStack stack(GetParam().format);
      body(stack);
    });
  }

  /// What only root may: other owners, devices, trusted.* xattrs.
  bool as_root() const { return !GetParam().in_user_namespace; }
};

/// For what has nothing to do with drivers.
class ConformanceOfTars : public ::testing::Test {};

inline std::string driver_name(const ::testing::TestParamInfo<Driver>& driver) {
  return driver.param.name;
}

inline void apply_tar(LayerStack& stack, const std::string& members) {
  LayerItems items;
  for (TarItem& item : read_tar(members + tar_end()))
    items.push_back({std::move(item.entry), std::move(item.contents)});
  stack.apply(items);
}

/// Applies the layers, base first; the paths that are seen then.
inline Lines shown_paths(LayerStack& stack, const std::vector<std::string>& layers) {
  for (const std::string& members : layers)
    apply_tar(stack, members);
  return paths_of(stack.shown());
}

inline void expect_refused(LayerStack& stack,
                           const std::string& members,
                           Errc code,
                           const std::string& text) {
  expect_error(code, text, [&] { apply_tar(stack, members); });
}

// Members of a tar.

inline std::string tar_file(const std::string& name, const std::string& body = {}) {
  return raw_file(name, body);
}
inline std::string tar_dir(const std::string& name, const std::string& mode = "0000755") {
  return raw_header({.name = name + "/", .type = '5', .mode = mode});
}
inline std::string tar_symlink(const std::string& name, const std::string& target) {
  return raw_header({.name = name, .type = '2', .link_name = target});
}
inline std::string tar_link(const std::string& name, const std::string& target) {
  return raw_header({.name = name, .type = '1', .link_name = target});
}
/// A member with PAX records in front.
inline std::string with_pax(const std::string& records, const std::string& member) {
  return pax_header(records) + member;
}

}  // namespace layerkit::testing
