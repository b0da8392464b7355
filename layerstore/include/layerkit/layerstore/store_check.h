#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

enum class Severity {
  Leftover,  ///< takes room or is untidy; nothing that is stored is the worse for it
  Damage,    ///< something that is stored is lost, changed, or cannot be reached as it should
};

/// What mends a finding.
enum class Mend {
  Repair,   ///< repair, from what the store itself holds
  Archive,  ///< repair with an archive that holds the object
  None,     ///< somebody has to decide
};

/// One thing that is wrong. Kinds are listed in docs/formats/check.md and never change their
/// meaning.
struct Finding {
  std::string kind;    ///< "layer-file-changed"
  std::string object;  ///< path in the store, escaped for display: "overlay2/<id>/link"
  std::string detail;  ///< what is wrong with it, for people
  Severity severity = Severity::Damage;
  Mend mend = Mend::None;
  std::optional<ChainId> layer = std::nullopt;  ///< the image layer it is about

  /// What tells findings apart.
  std::pair<std::string, std::string> key() const { return {kind, object}; }
};

/// What refers to the layers of a store from outside of it.
struct StoreReferences {
  /// An image: every layer of its stack must be there.
  struct Stack {
    std::string user;             ///< how it is called in findings
    std::vector<ChainId> chains;  ///< base first
  };
  std::vector<Stack> stacks;
  /// Containers that somebody knows about. Unset: whatever the store has.
  std::optional<std::vector<std::string>> containers;
  enum class Known {
    All,   ///< nobody adds or removes references: what they do not need, nobody needs
    Some,  ///< there may be others: nothing counts as unreferenced
  };
  Known known = Known::Some;
};

/// A store as it lies on disk, damaged as it may be. Unlike open_store this creates nothing and
/// sweeps nothing; only `mend` and what follows it in the declaration change the store.
/// Safe beside other processes: work in progress is not reported.
class StoreInspection {
 public:
  StoreInspection() = default;
  StoreInspection(const StoreInspection&) = delete;
  StoreInspection& operator=(const StoreInspection&) = delete;
  virtual ~StoreInspection() = default;

  /// The lock of Store::lock.
  virtual FileLock lock(LockKind kind) const = 0;
  /// The exclusive one, or nullopt while somebody else holds it in any way.
  virtual std::optional<FileLock> try_lock() const = 0;

  /// Structure, records, links and references; reads no layer's files.
  virtual std::vector<Finding> quick(const StoreReferences& references,
                                     const Context& context) const = 0;
  /// Makes every layer's tar again, compares its digest, and compares every object of its diff
  /// directory with what the tar says. Takes no lock; writes a tree of empty files into staging.
  virtual std::vector<Finding> deep(const Context& context) const = 0;

  /// Mends what `quick` finds, as far as Mend::Repair says so. What cannot be told to be worthless
  /// is moved to the directory `damaged` of the store, never deleted. Failures are warnings.
  /// REQUIRES, as for all below: the caller holds the exclusive lock.
  virtual void mend(const StoreReferences& references, const Context& context) = 0;
  /// Unpacks a layer anew from its own tar, when that still has its digest, and puts it in the
  /// old one's place, with its record and all. Throws Error{Integrity} when it has not.
  virtual void rebuild(const ChainId& chain, const Context& context) = 0;
  /// A transaction whose layers take the place of those that are there: each old one is removed
  /// when the new one is whole and durable.
  virtual std::unique_ptr<LayerTransaction> begin_replacing() = 0;
};

/// Throws Error{NotFound} when there is no store in `root`, Error{Unsupported} for a version it
/// does not know.
std::unique_ptr<StoreInspection> inspect_store(const std::string& root);

}  // namespace layerkit
