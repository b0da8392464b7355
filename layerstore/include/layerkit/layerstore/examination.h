#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/store_check.h"

namespace layerkit {

// What the checks of a store are written with: those of the layers, and those of whatever else
// lies in the same directory.

/// Collects what is found in a store and, when it is there to mend, mends it in passing: the
/// place that knows what is wrong is the one that knows what would be right.
class Examination {
 public:
  using Key = std::pair<std::string, std::string>;
  using Fix = std::function<void()>;

  /// One that only looks.
  explicit Examination(const Context& context) : context_(context) {}
  /// One that mends the findings of an earlier one.
  Examination(const Context& context, std::set<Key> to_mend)
      : context_(context), to_mend_(std::move(to_mend)) {}

  /// `fix` makes good what was found; without one nothing here can.
  void found(Finding finding, const Fix& fix = {});
  /// The same for what work in progress of another process looks like, too, for a moment.
  void found_passing(Finding finding, const Fix& fix = {});

  /// While it lives, whatever is found is passing.
  class PassingScope {
   public:
    explicit PassingScope(Examination& examination) : examination_(examination) {
      ++examination_.passing_scopes_;
    }
    PassingScope(const PassingScope&) = delete;
    PassingScope& operator=(const PassingScope&) = delete;
    ~PassingScope() { --examination_.passing_scopes_; }

   private:
    Examination& examination_;
  };

  const std::vector<Finding>& lasting() const noexcept { return lasting_; }
  const std::vector<Finding>& passing() const noexcept { return passing_; }
  const Context& context() const noexcept { return context_; }

 private:
  void mend(const Finding& finding, const Fix& fix);

  Context context_;
  std::optional<std::set<Key>> to_mend_;
  std::vector<Finding> lasting_;
  std::vector<Finding> passing_;
  unsigned passing_scopes_ = 0;
};

/// Runs `examine` and gives what it found. Of passing findings those count that a second run finds
/// again.
std::vector<Finding> look(const Context& context, const std::function<void(Examination&)>& examine);
/// What tells these findings apart, to mend them.
std::set<Examination::Key> keys_of(const std::vector<Finding>& findings);

/// Who ought to own the store's own files, and where what nobody understands is put aside.
struct StoreGround {
  int root = -1;
  std::uint32_t owner = 0;

  /// The owner is that of the file that completed the store.
  static StoreGround of(int root);

  /// Path below `root` of the records of a layer or container.
  std::string records_of(const std::string& name) const;
  /// Moves an object to `damaged/<name>-<random>`, durably.
  void set_aside(int dir_fd, const std::string& name) const;
  /// Puts a file of the store's frame in the place of whatever has its name. Durable.
  void put_file(int dir_fd, const std::string& name, std::string_view text, mode_t mode) const;
};

/// One directory of the store's own frame, for checks of what is in it.
struct FrameDir {
  int fd = -1;
  std::string path;  ///< in the store; empty for its root

  /// How findings call `name` in it.
  std::string object(const std::string& name) const;
};

/// Whether a directory may be made again, empty, when it is gone or something else has its place.
enum class IfAbsent { Report, MakeEmpty };

/// The directory `name`, when it can be used. Reports one that is absent, something else of that
/// name, and a wrong mode or owner. Unset `mode`: any.
std::optional<Fd> examine_directory(Examination& examination,
                                    const StoreGround& ground,
                                    const FrameDir& parent,
                                    const std::string& name,
                                    std::optional<mode_t> mode,
                                    IfAbsent if_absent);

/// Reports a wrong mode or owner of a file. Says nothing about one that is absent.
void examine_file(Examination& examination,
                  const StoreGround& ground,
                  const FrameDir& parent,
                  const std::string& name,
                  mode_t mode);

/// Reports the names in a directory that do not belong there.
void examine_names(Examination& examination,
                   const StoreGround& ground,
                   const FrameDir& directory,
                   const std::set<std::string>& known);

/// What is in a small file, or why it cannot be read. Neither: it is absent.
struct SmallFile {
  std::optional<std::string> text;
  std::string problem;

  bool is_absent() const noexcept { return !text && problem.empty(); }
};
SmallFile read_small_file(int dir_fd, const std::string& name, std::size_t max_bytes);

}  // namespace layerkit
