#include "cli/helper_call.h"

#include <cerrno>
#include <string_view>

#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

class HelperArguments final {
 public:
  explicit HelperArguments(const std::vector<std::string>& arguments) : arguments_(arguments) {
    const std::string& name = arguments.front();
    // "mount.fuse.aufs" asks for FUSE, "mount.aufs" for AUFS however it is had.
    if (name.substr(name.rfind('/') + 1).starts_with("mount.fuse"))
      call_.request.type = UnionType::Fuse;
  }

  HelperCall parse() {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (only_names_ || argument.size() < 2 || argument.front() != '-') {
        names_.push_back(argument);
      } else if (argument == "--") {
        only_names_ = true;
      } else {
        parse_cluster(argument.substr(1));
      }
    }
    if (names_.size() != 2)
      fail(Errc::Invalid,
           "usage: {} SOURCE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]",
           arguments_.front());
    call_.request.source = names_[0];
    call_.request.mount_point = names_[1];
    return std::move(call_);
  }

 private:
  /// "fn", "oOPTIONS": letters without a value, then one with.
  void parse_cluster(std::string_view letters) {
    while (!letters.empty()) {
      const char letter = letters.front();
      letters.remove_prefix(1);
      if (take_flag(letter)) continue;
      take_value(letter, letters.empty() ? next_value(letter) : std::string(letters));
      return;
    }
  }

  bool take_flag(char letter) {
    switch (letter) {
      case 'v':
        call_.request.verbose = true;
        return true;
      case 'f':
        call_.request.dry = true;
        return true;
      case 's':  // "sloppy": what is ignored is only ever warned of
      case 'n':  // /etc/mtab is the kernel's
        return true;
      default:
        return false;
    }
  }

  void take_value(char letter, const std::string& value) {
    std::string& options = call_.request.options;
    switch (letter) {
      case 'o':
        options += (options.empty() ? "" : ",") + value;
        return;
      case 'N':
        call_.mount_namespace = value;
        return;
      case 't':
        return;  // the name that we are called by says the same
      default:
        fail(Errc::Invalid, "unknown flag: {}", quoted(std::string{'-', letter}));
    }
  }

  std::string next_value(char letter) {
    if (std::string_view("oNt").find(letter) == std::string_view::npos)
      fail(Errc::Invalid, "unknown flag: {}", quoted(std::string{'-', letter}));
    if (next_ == arguments_.size())
      fail(Errc::Invalid, "flag needs a value: {}", quoted(std::string{'-', letter}));
    return arguments_[next_++];
  }

  const std::vector<std::string>& arguments_;
  std::size_t next_ = 1;
  bool only_names_ = false;
  std::vector<std::string> names_;
  HelperCall call_;
};

}  // namespace

HelperCall parse_helper_call(const std::vector<std::string>& arguments) {
  return HelperArguments(arguments).parse();
}

int helper_exit_code(const Error& error) {
  if (error.code() == Errc::Interrupted) return kInterrupted;
  if (error.sys_errno() == EPERM || error.sys_errno() == EACCES) return kUsageOrPermission;
  if (error.sys_errno() == ENOMEM || error.sys_errno() == EMFILE) return kSystemError;
  return kMountFailure;
}

}  // namespace layerkit::cli
