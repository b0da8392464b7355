#include "cli/mount_helper.h"

#include <new>

#include "cli/helper_call.h"
#include "cli/mount_action.h"
#include "cli/mount_namespace.h"
#include "cli/output.h"

namespace layerkit::cli {
namespace {

int fail_with(const Error& error, int code) {
  print_error(error.message());
  return code;
}

}  // namespace

int run_mount_helper(Session& session, const std::vector<std::string>& arguments) {
  HelperCall call;
  try {
    call = parse_helper_call(arguments);
  } catch (const Error& error) {
    return fail_with(error, kUsageOrPermission);
  }
  try {
    if (!call.mount_namespace.empty()) enter_mount_namespace(call.mount_namespace);
    mount_union(session, call.request);
    return 0;
  } catch (const Error& error) {
    return fail_with(error, helper_exit_code(error));
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
    return kSystemError;
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what());
    return kInternalError;
  }
}

}  // namespace layerkit::cli
