#include "failure.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include "capabilities.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::array<const char*, 16> kRlimitNames = {
    "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
    "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME"};
static_assert(RLIMIT_NOFILE == 7 && RLIMIT_RTTIME == 15);

/// What the index of a report refers to, quoted; empty when it is none of ours.
template <typename Names>
std::string at(const Names& names, std::size_t index) {
  return index < std::size(names) ? quoted(names[index]) : std::string();
}

std::string rlimit_name(const Plan& plan, std::size_t index) {
  const auto& limits = plan.spec().process.rlimits;
  if (index >= limits.size()) return {};
  const auto number = static_cast<std::size_t>(limits[index].resource);
  return number < kRlimitNames.size() ? kRlimitNames[number] : std::to_string(number);
}

/// The steps that concern one of a list of objects.
std::string doing_indexed(const Report& report, const Plan& plan) {
  const std::size_t index = report.index;
  const ContainerSpec& spec = plan.spec();
  switch (report.step) {
    case Step::JoinNamespace:
      return index < plan.join_names().size() ? plan.join_names()[index] : "joining a namespace";
    case Step::PreservedDescriptor:
      return fmt::format("handing down descriptor {}", index + 3);
    case Step::JoinCgroup:
      return fmt::format("joining cgroup {} (hierarchy {})", quoted(spec.id), index);
    case Step::Mount:
      return index < plan.mount_names().size() ? plan.mount_names()[index] : "mounting";
    case Step::CopyUp:
      return (index < plan.mount_names().size() ? plan.mount_names()[index] : "mounting") +
             ", copying what the root file system has there";
    case Step::ReadOnlyMount:
      return (index < plan.mount_names().size() ? plan.mount_names()[index] : "mounting") +
             " read-only";
    case Step::Device:
      return "making device " + at(plan.device_names(), index);
    case Step::Link:
      return index < plan.flat().links.size()
                 ? "making symlink " + quoted(plan.flat().links[index].name)
                 : "making a symlink";
    case Step::Sysctl:
      return "setting sysctl " + at(plan.sysctl_names(), index);
    case Step::MaskedPath:
      return "masking " + at(spec.masked_paths, index);
    case Step::ReadOnlyPath:
      return "making " + at(spec.read_only_paths, index) + " read-only";
    case Step::Rlimit:
      return "setting " + rlimit_name(plan, index);
    case Step::AmbientCapability:
      return "making capability " + quoted(capability_name(report.index)) + " ambient";
    case Step::BoundingSet:
      return "dropping capability " + quoted(capability_name(report.index));
    case Step::Exec:
    case Step::ExecInterpreter:
      return "executing " + at(plan.candidates(), index);
    default:
      return "starting the container";
  }
}

std::string doing(const Report& report, const Plan& plan) {
  const ContainerSpec& spec = plan.spec();
  switch (report.step) {
    case Step::UserNamespace:
      return "creating the user namespace";
    case Step::TimeNamespace:
      return "creating the time namespace";
    case Step::CloneProcess:
      return "creating the container's process and namespaces";
    case Step::OpenTerminal:
      return "opening a terminal of the container";
    case Step::Console:
      return "setting up '/dev/console'";
    case Step::Seccomp:
      return "loading the seccomp filter";
    case Step::AppArmor:
      return "setting AppArmor profile " + quoted(spec.process.apparmor_profile);
    case Step::CloseDescriptors:
      return "closing the caller's descriptors";
    case Step::StandardStreams:
      return "setting up the standard streams";
    case Step::OomScore:
      return fmt::format("setting oom_score_adj to {}", spec.process.oom_score_adj.value_or(0));
    case Step::MappedRoot:
      return "becoming root of the user namespace";
    case Step::CpuAffinity:
      return "setting the CPU affinity";
    case Step::CgroupNamespace:
      return "creating the cgroup namespace";
    case Step::Session:
      return "creating the session";
    case Step::Keyring:
      return "creating the session keyring";
    case Step::Hostname:
      return "setting host name " + quoted(spec.hostname);
    case Step::Domainname:
      return "setting domain name " + quoted(spec.domainname);
    case Step::NetworkNamespace:
      return "entering the network namespace";
    case Step::Loopback:
      return "raising the loopback interface";
    case Step::PrivateMounts:
      return "making the mounts private";
    case Step::HostNull:
      return "opening '/dev/null'";
    case Step::AttachRootfs:
      return "attaching the root file system";
    case Step::PrivateProc:
      return "mounting a private proc file system";
    case Step::WorkingDirectory:
      return "entering working directory " + quoted(spec.process.cwd);
    case Step::ReadOnlyRootfs:
      return "making the root file system read-only";
    case Step::PivotRoot:
      return "pivoting into the root file system";
    case Step::RootfsPropagation:
      return "setting the propagation of the root file system";
    case Step::Scheduler:
      return "setting the scheduling policy";
    case Step::IoPriority:
      return "setting the I/O priority";
    case Step::Personality:
      return "setting the execution domain";
    case Step::MemoryPolicy:
      return "setting the memory policy";
    case Step::NoNewPrivileges:
      return "setting no_new_privs";
    case Step::Groups:
      return "setting the additional groups";
    case Step::GroupId:
      return fmt::format("becoming group {}", spec.process.gid);
    case Step::UserId:
      return fmt::format("becoming user {}", spec.process.uid);
    case Step::Capabilities:
      return "setting the capabilities";
    case Step::ExecStub:
      return "executing the exec stub";
    case Step::ExecNotFound:
      return "executing " + quoted(spec.process.args.front());
    default:
      return doing_indexed(report, plan);
  }
}

/// "No such file" -> "no such file"; "I/O error" stays.
std::string in_small_letters(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

/// Docker's client makes exit codes 126 and 127 of these words.
std::string exec_reason(int error) {
  return in_small_letters(errno_text(error));
}

std::string_view detail_of(const Report& report) {
  const auto* end = std::find(std::begin(report.detail), std::end(report.detail), '\0');
  return {report.detail, static_cast<std::size_t>(end - report.detail)};
}

}  // namespace

Error describe_hook(const char* kind,
                    std::size_t index,
                    const std::string& path,
                    const HookEnd& end,
                    std::string_view output) {
  return Error(Errc::Io, fmt::format("error running {} hook #{}: {}: {}", kind, index, quoted(path),
                                     reason_of(end, output)));
}

Error describe(const Report& report, const Plan& plan) {
  if (report.step == Step::Hook && report.index < plan.spec().hooks.create_container.size()) {
    return describe_hook("createContainer", report.index,
                         plan.spec().hooks.create_container[report.index].path, report.hook,
                         plan.hook_output());
  }
  const std::string what = doing(report, plan);
  const std::string_view detail = detail_of(report);
  if (report.step == Step::ExecInterpreter) {
    const std::string name = detail.empty() ? "" : " " + quoted(detail);
    return Error(Errc::NotFound, what + ": " + exec_reason(ENOENT) + ": its interpreter or loader" +
                                     name + " does not exist in the container");
  }
  const bool searched = plan.spec().process.args.front().find('/') == std::string::npos;
  if (report.step == Step::ExecNotFound && searched) {
    return Error(Errc::NotFound, what + ": executable file not found in $PATH");
  }
  const bool is_exec = report.step == Step::ExecNotFound || report.step == Step::Exec;
  if (is_exec && report.error != 0) {
    const Error plain = Error::from_errno(report.error, what);
    const std::string more = detail.empty() ? "" : ": " + std::string(detail);
    return Error(plain.code(), plain.sys_errno(), what + ": " + exec_reason(report.error) + more);
  }
  if (!detail.empty() && report.error != 0)
    return Error(Errc::Io, what + ": " + errno_text(report.error) + ": " + std::string(detail));
  if (!detail.empty()) return Error(Errc::Invalid, what + ": " + std::string(detail));
  return Error::from_errno(report.error, what);
}

StartFailure classify(const Report& report) noexcept {
  switch (report.step) {
    case Step::ExecNotFound:
    case Step::ExecInterpreter:
      return StartFailure::NotFound;
    case Step::Exec:
      return StartFailure::NotExecutable;
    default:
      return StartFailure::Setup;
  }
}

}  // namespace layerkit::runner
