#pragma once

#include <string>
#include <string_view>

#include "layerkit/unionmount/aufs_settings.h"

namespace layerkit {

/// "mfsrr:LOW[:SEC]", ..., the short names and the long ones. Throws Error{Invalid}.
CreatePolicy parse_create_policy(std::string_view text);
CopyUpRule parse_copy_up_rule(std::string_view text);

/// By the short names; the seconds where they differ from the default.
std::string format_create_policy(const CreatePolicy& policy);
std::string_view format_copy_up_rule(CopyUpRule rule) noexcept;

}  // namespace layerkit
