#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "driver_layout.h"
#include "layerkit/layerstore/examination.h"

namespace layerkit {

struct StoreFrame;
struct Survey;

/// One name in a directory of the frame.
struct FrameEntry {
  FrameDir parent;
  std::string name;

  std::string object() const { return parent.object(name); }
};

/// What should stand beside the records of a layer or container.
struct ExpectedFrame {
  enum class Below {
    Known,
    Unknown,  ///< a layer below is missing: nothing tells what is right
  };
  LayerFrame layer;
  Below below = Below::Known;
};

/// What checks have to know of a storage driver; nothing else of them asks which one it is.
/// Keeps the driver's directories open.
class DriverCheck {
 public:
  DriverCheck() = default;
  DriverCheck(const DriverCheck&) = delete;
  DriverCheck& operator=(const DriverCheck&) = delete;
  virtual ~DriverCheck() = default;

  /// The directory of the directories that have records.
  virtual FrameDir records() const = 0;
  /// What is in it, but for what the driver itself has there.
  virtual std::vector<std::string> names() const = 0;
  /// Where the files of a layer are; nullopt: that directory cannot be used, which is reported.
  /// `own` is the open directory with the records.
  virtual std::optional<FrameEntry> diff(const FrameDir& own, const std::string& name) const = 0;

  /// What other tools look for. `records` are the names that the store itself has in `own`.
  virtual void examine_layer(Examination& examination,
                             const FrameDir& own,
                             const ExpectedFrame& expected,
                             std::set<std::string> records) const = 0;
  /// What lies beside the directories with records.
  virtual void examine_rest(Examination& examination,
                            const StoreFrame& frame,
                            const Survey& survey) const = 0;

  /// Moves `name` with all its parts to `damaged`, as one directory.
  virtual void set_aside(const std::string& name) const = 0;
  virtual bool is_mounted(const std::string& name) const = 0;
};

/// Reports what is wrong with the driver's directories. Null when there is nowhere to look further.
std::unique_ptr<const DriverCheck> examine_driver(Examination& examination,
                                                  const StoreGround& ground,
                                                  StoreDriver driver);

// One for each driver: check_overlay.cc, check_aufs.cc.
std::unique_ptr<const DriverCheck> examine_overlay(Examination& examination,
                                                   const StoreGround& ground);
std::unique_ptr<const DriverCheck> examine_aufs(Examination& examination,
                                                const StoreGround& ground);

}  // namespace layerkit
