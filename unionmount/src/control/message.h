#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/detached_mount.h"
#include "layerkit/unionmount/fuse_union.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {

// The language of a union's control socket (docs/formats/union-control.md). A request is one line
// of words; the reply is "ok" or "error", and lines that belong to it. Bytes up to the space,
// backslashes and DEL stand in words as "\ooo" (octal), as in /proc/self/mountinfo.

/// A request, and the reply but for the list of branches, is no longer.
inline constexpr std::size_t kMaxControlLine = std::size_t{64} << 10;
/// A reply is no longer: branches as many as memory allows.
inline constexpr std::size_t kMaxControlReply = std::size_t{64} << 20;

struct ChangeSettings {
  std::string options;  ///< all that differ from the defaults, as after -o
};
struct ListBranches {};
/// The mount was attached: to be shown.
struct Attached {
  std::string path;
};
/// Takes the mount away where the server sees it.
struct UnmountUnion {
  UnmountMode mode = UnmountMode::Now;
};

using ControlRequest = std::variant<InsertBranch,
                                    DeleteBranch,
                                    ModifyBranch,
                                    ChangeSettings,
                                    ListBranches,
                                    Attached,
                                    UnmountUnion>;

std::string escape_word(std::string_view word);
/// Throws Error{Invalid} for a bad escape, and for that of a NUL.
std::string unescape_word(std::string_view word);

/// Without the newline.
std::string format_request(const ControlRequest& request);
/// Throws Error{Invalid} for anything that is no request.
ControlRequest parse_request(std::string_view line);

/// "error CODE ERRNO MESSAGE", one line without the newline.
std::string format_error(const Error& error);
/// The error again, for a line that starts with "error "; Error{Io} for anything else.
Error parse_error(std::string_view line);

/// A line as in brN, with its newline: "PATH=PERMISSION".
std::string format_branch_line(const BranchState& branch);

/// "ID PERMISSION PATH" a line.
std::string format_branches(const std::vector<BranchState>& branches);
std::vector<BranchState> parse_branches(std::string_view text);

}  // namespace layerkit
