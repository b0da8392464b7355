#include "layerkit/runner/container_cgroup.h"

#include "cgroup.h"

namespace layerkit {
namespace {

class FoundCgroup final : public ContainerCgroup {
 public:
  explicit FoundCgroup(std::unique_ptr<runner::Cgroup> cgroup) : cgroup_(std::move(cgroup)) {}

  void freeze() override { cgroup_->freeze(); }
  void thaw() override { cgroup_->thaw(); }
  bool frozen() const override { return cgroup_->frozen(); }
  std::vector<pid_t> processes() const override { return cgroup_->processes(); }
  CgroupStats stats() const override { return cgroup_->stats(); }

 private:
  std::unique_ptr<runner::Cgroup> cgroup_;
};

}  // namespace

std::unique_ptr<ContainerCgroup> find_container_cgroup(const std::string& cgroups_path) {
  auto found = runner::find_cgroup(runner::read_cgroup_layout(), cgroups_path);
  if (found == nullptr) return nullptr;
  return std::make_unique<FoundCgroup>(std::move(found));
}

bool remove_container_cgroups(const std::string& cgroups_path) {
  const std::unique_ptr<runner::Cgroup> cgroup =
      runner::find_cgroup(runner::read_cgroup_layout(), cgroups_path);
  if (cgroup == nullptr) return false;
  cgroup->remove();
  return true;
}

}  // namespace layerkit
