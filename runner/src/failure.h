#pragma once

#include "layerkit/base/error.h"
#include "layerkit/runner/container.h"
#include "plan.h"
#include "report.h"

namespace layerkit::runner {

/// The child's report in words: step, object, reason.
Error describe(const Report& report, const Plan& plan);
/// The exit code it deserves.
StartFailure classify(const Report& report) noexcept;

}  // namespace layerkit::runner
