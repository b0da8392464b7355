#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hook.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// A memfd that holds `text`: what a hook gets on its standard input.
Fd hook_input(std::string_view text);
void replace_hook_input(const Fd& input, std::string_view text);
/// An empty memfd for what hooks say.
Fd hook_output();

/// Runs one hook in the caller's namespaces with `state` (JSON) on its standard input. `output`
/// (may be null) gets the beginning of what it says.
HookEnd hook_end_of(const Hook& hook, std::string_view state, std::string* output = nullptr);
/// All of one kind, in order; the first that fails is an Error that names it.
void run_hooks(const char* kind, const std::vector<Hook>& hooks, std::string_view state);

}  // namespace layerkit::runner
