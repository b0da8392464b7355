#include <string_view>

#include "layerkit/base/error.h"
#include "overlay_plan.h"
#include "overlay_words.h"

namespace layerkit {
namespace {

/// The pairs that the kernel refuses without saying so to the caller, or falls back from silently.
void check_combination(const OverlaySettings& settings, OverlayXattrs xattrs) {
  const auto refuse_both = [](std::string_view one, std::string_view other) {
    fail(Errc::Invalid, "overlayfs's options {} and {} exclude each other", one, other);
  };
  if (settings.nfs_export && !settings.index) refuse_both("nfs_export=on", "index=off");
  if (settings.nfs_export && settings.metacopy) refuse_both("nfs_export=on", "metacopy=on");
  if (settings.metacopy && settings.redirect_dir && *settings.redirect_dir != OverlayRedirect::On)
    refuse_both("metacopy=on",
                fmt::format("redirect_dir={}", word_of(kRedirectWords, *settings.redirect_dir)));
  if (xattrs != OverlayXattrs::User) return;
  // An upper directory whose xattrs anybody may set must not say where files are.
  const std::string_view why =
      settings.user_xattrs ? "userxattr" : "userxattr (as in every user namespace)";
  if (settings.metacopy) refuse_both("metacopy=on", why);
  if (settings.verity != OverlayVerity::Off)
    refuse_both(fmt::format("verity={}", word_of(kVerityWords, settings.verity)), why);
  if (settings.redirect_dir == OverlayRedirect::On ||
      settings.redirect_dir == OverlayRedirect::Follow)
    refuse_both(fmt::format("redirect_dir={}", word_of(kRedirectWords, *settings.redirect_dir)),
                why);
}

OverlayRedirect redirect_of(const OverlaySettings& settings, OverlayXattrs xattrs) {
  // "off" may mean "follow", by a module parameter, which userxattr refuses.
  if (xattrs == OverlayXattrs::User) return OverlayRedirect::NoFollow;
  return settings.redirect_dir.value_or(settings.metacopy ? OverlayRedirect::On
                                                          : OverlayRedirect::NoFollow);
}

}  // namespace

std::vector<OverlayOption> overlay_options(const OverlaySettings& settings, OverlayXattrs xattrs) {
  if (settings.user_xattrs) xattrs = OverlayXattrs::User;
  check_combination(settings, xattrs);
  std::vector<OverlayOption> options;
  const auto add = [&](const char* key, std::string_view word, OptionNeed need = {}) {
    options.push_back({key, std::string(word), need});
  };
  // All are said, as module parameters change what the kernel would do without.
  add("index", word_of(kSwitchWords, settings.index));
  add("metacopy", word_of(kSwitchWords, settings.metacopy));
  add("xino", word_of(kXinoWords, settings.xino.value_or(OverlayXino::Off)));
  add("redirect_dir", word_of(kRedirectWords, redirect_of(settings, xattrs)));
  add("nfs_export", word_of(kSwitchWords, settings.nfs_export),
      settings.nfs_export ? OptionNeed::Required : OptionNeed::WhereKnown);
  if (settings.uuid) {
    add("uuid", word_of(kUuidWords, *settings.uuid));
  } else if (!settings.nfs_export) {
    add("uuid", word_of(kUuidWords, OverlayUuid::Null), OptionNeed::WhereKnown);
  }
  if (settings.verity != OverlayVerity::Off) add("verity", word_of(kVerityWords, settings.verity));
  if (xattrs == OverlayXattrs::User) add("userxattr", "");
  return options;
}

}  // namespace layerkit
