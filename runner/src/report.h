#pragma once

#include <cstdint>

namespace layerkit::runner {

/// What the child was doing when it failed. Travels from the child and the exec stub to the parent.
enum class Step : std::uint32_t {
  Ready,  ///< no failure: everything is set up, the program is about to be executed
  CloseDescriptors,
  StandardStreams,
  OomScore,
  UserMappings,
  MappedRoot,
  JoinCgroup,  ///< index: of the hierarchy
  CgroupNamespace,
  Session,
  Keyring,
  Hostname,
  Domainname,
  Loopback,
  PrivateMounts,
  HostNull,
  AttachRootfs,
  Mount,   ///< index: of the mount
  Device,  ///< index: of the device
  Link,    ///< index: of the link
  PrivateProc,
  Sysctl,         ///< index: of the sysctl
  MaskedPath,     ///< index: of the path
  ReadOnlyPath,   ///< index: of the path
  ReadOnlyMount,  ///< index: of the mount
  WorkingDirectory,
  ReadOnlyRootfs,
  PivotRoot,
  RootfsPropagation,
  Scheduler,
  IoPriority,
  Personality,
  Rlimit,  ///< index: of the limit
  NoNewPrivileges,
  BoundingSet,  ///< index: number of the capability
  Groups,
  GroupId,
  UserId,
  Capabilities,
  AmbientCapability,  ///< index: number of the capability
  ExecStub,
  ExecNotFound,     ///< no candidate exists
  ExecInterpreter,  ///< index: of the candidate; detail: the interpreter that does not exist
  Exec,             ///< index: of the candidate
};

/// One packet of the report socket.
struct Report {
  Step step = Step::Ready;
  std::uint32_t index = 0;
  std::int32_t error = 0;  ///< errno; 0 when `detail` is the reason
  char detail[244] = {};   ///< NUL-terminated
};

}  // namespace layerkit::runner
