#include "layerkit/imagetool/security_options.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container.h"

namespace layerkit {
namespace {

constexpr std::string_view kUnconfined = "unconfined";

bool parse_truth(std::string_view value, std::string_view whole) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  fail(Errc::Invalid, "invalid --security-opt {}: neither true nor false", quoted(whole));
}

void check_apparmor(std::string_view profile, std::string_view whole) {
  if (profile == kUnconfined || has_apparmor()) return;
  fail(Errc::Unsupported, "invalid --security-opt {}: this system has no AppArmor", quoted(whole));
}

void check_label(std::string_view label, std::string_view whole) {
  if (label == "disable") return;
  fail(Errc::Unsupported,
       "invalid --security-opt {}: SELinux labels are not supported; only label=disable is",
       quoted(whole));
}

}  // namespace

void parse_security_option(std::string_view text, SecurityOptions& options) {
  // Docker's older form has ':'.
  const auto end = text.find_first_of("=:");
  const std::string_view name = text.substr(0, end);
  if (text == "no-new-privileges") {
    options.no_new_privileges = true;
    return;
  }
  if (end == std::string_view::npos || end + 1 == text.size())
    fail(Errc::Invalid, "invalid --security-opt {}: it is not NAME=VALUE", quoted(text));
  const std::string_view value = text.substr(end + 1);
  if (name == "no-new-privileges") {
    options.no_new_privileges = parse_truth(value, text);
  } else if (name == "seccomp") {
    options.seccomp = value == "builtin" ? std::string() : std::string(value);
  } else if (name == "apparmor") {
    check_apparmor(value, text);
    options.apparmor = value;
  } else if (name == "label") {
    check_label(value, text);
    options.label_disable = true;
  } else if (name == "systempaths" && value == "unconfined") {
    options.system_paths_unconfined = true;
  } else {
    fail(Errc::Invalid,
         "invalid --security-opt {}: known are seccomp, no-new-privileges, apparmor, label and "
         "systempaths=unconfined",
         quoted(text));
  }
}

std::vector<std::string> security_option_words(const SecurityOptions& options) {
  std::vector<std::string> words;
  if (options.no_new_privileges) words.emplace_back("no-new-privileges");
  if (!options.seccomp.empty()) words.push_back("seccomp=" + options.seccomp);
  if (!options.apparmor.empty()) words.push_back("apparmor=" + options.apparmor);
  if (options.label_disable) words.emplace_back("label=disable");
  return words;
}

}  // namespace layerkit
