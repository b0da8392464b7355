#pragma once

#include "layerkit/base/error.h"
#include "layerkit/runner/container.h"
#include "plan.h"
#include "report.h"

namespace layerkit::runner {

/// The child's report in words: step, object, reason.
Error describe(const Report& report, const Plan& plan);
/// How a hook failed; `output`: what it said.
Error describe_hook(const char* kind,
                    std::size_t index,
                    const std::string& path,
                    const HookEnd& end,
                    std::string_view output);
/// The exit code it deserves.
StartFailure classify(const Report& report) noexcept;

}  // namespace layerkit::runner
