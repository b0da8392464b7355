#include "layerkit/imagetool/image_check.h"

#include <fcntl.h>

#include "image_checks.h"
#include "image_repair.h"
#include "layerkit/base/error.h"

namespace layerkit {

StoreReferences ImageSurvey::references(StoreReferences::Known known) const {
  StoreReferences references;
  for (const auto& [id, image] : images)
    references.stacks.push_back({"image " + id.str(), image.chain_ids()});
  references.containers = container_ids;
  references.known = is_whole ? known : StoreReferences::Known::Some;
  return references;
}

ImageSurvey examine_records(Examination& examination, int root) {
  const StoreGround ground = StoreGround::of(root);
  ImageSurvey survey;
  examine_images(examination, ground, survey);
  examine_containers(examination, ground, survey);
  examine_mounts(examination, ground, survey);
  return survey;
}

std::vector<Finding> check_records(const StoreInspection& inspection,
                                   int root,
                                   StoreReferences::Known known,
                                   const Context& context) {
  ImageSurvey survey;
  std::vector<Finding> findings =
      look(context, [&](Examination& examination) { survey = examine_records(examination, root); });
  for (Finding& finding : inspection.quick(survey.references(known), context))
    findings.push_back(std::move(finding));
  return findings;
}

namespace {

/// Who may look at the references, and how sure they are. Nobody adds or removes images and
/// layers under the exclusive lock; when a load holds its shared one, so do we, which keeps
/// removals out. A store that cannot be locked (read-only, or damaged) is looked at as it is.
struct Standing {
  std::optional<FileLock> lock;
  StoreReferences::Known known = StoreReferences::Known::Some;
};

Standing stand_still(const StoreInspection& inspection) {
  Standing standing;
  try {
    standing.lock = inspection.try_lock();
    if (standing.lock) {
      standing.known = StoreReferences::Known::All;
    } else {
      standing.lock.emplace(inspection.lock(LockKind::Shared));
    }
  } catch (const Error& error) {
    if (error.code() == Errc::Interrupted) throw;
  }
  return standing;
}

}  // namespace

CheckReport check_store(const std::string& root, CheckDepth depth, const Context& context) {
  const auto inspection = inspect_store(root);
  const Fd dir = open_at(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  CheckReport report;
  {
    const Standing standing = stand_still(*inspection);
    report.is_complete = standing.known == StoreReferences::Known::All;
    report.findings = check_records(*inspection, dir.get(), standing.known, context);
  }
  if (depth == CheckDepth::Deep) {
    for (Finding& finding : inspection->deep(context))
      report.findings.push_back(std::move(finding));
  }
  return report;
}

}  // namespace layerkit
