#include "cli/repeated_option.h"

namespace layerkit::cli {

CLI::Option* add_repeated_option(CLI::App& command,
                                 const std::string& names,
                                 std::vector<std::string>& values,
                                 const std::string& help) {
  return command.add_option(names, values, help)
      ->expected(1)
      ->allow_extra_args(false)  // a vector would take the positionals that follow
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace layerkit::cli
