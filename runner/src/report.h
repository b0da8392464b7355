#pragma once

#include <cstdint>

#include "hook.h"

namespace layerkit::runner {

/// What the child and the exec stub tell the parent.
enum class Step : std::uint32_t {
  // Not failures: what the child tells or asks.
  Ready,            ///< everything is set up, the program is about to be executed
  NeedsMappings,    ///< asks for the id maps of its new user namespace; waits for a byte
  Cloned,           ///< index: pid of the container's process; with its pidfd
  Terminal,         ///< with the master of the container's terminal; waits for a byte
  NeedsHooks,       ///< namespaces and mounts are there; waits for a byte
  SeccompListener,  ///< index: the descriptor to fetch from the child; waits for a byte
  // What it was doing when it failed.
  JoinNamespace,  ///< index: of the namespace
  UserNamespace,
  TimeNamespace,
  CloneProcess,
  CloseDescriptors,
  StandardStreams,
  OomScore,
  UserMappings,
  MappedRoot,
  JoinCgroup,  ///< index: of the hierarchy
  CpuAffinity,
  CgroupNamespace,
  Session,
  Keyring,
  Hostname,
  Domainname,
  NetworkNamespace,
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
  OpenTerminal,
  Console,
  Hook,  ///< index: of the createContainer hook
  ReadOnlyRootfs,
  PivotRoot,
  RootfsPropagation,
  Scheduler,
  IoPriority,
  Personality,
  MemoryPolicy,
  CopyUp,  ///< index: of the mount
  Rlimit,  ///< index: of the limit
  NoNewPrivileges,
  BoundingSet,  ///< index: number of the capability
  Groups,
  GroupId,
  UserId,
  Capabilities,
  AmbientCapability,  ///< index: number of the capability
  Seccomp,
  AppArmor,
  PreservedDescriptor,  ///< index: of the descriptor
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
  HookEnd hook = {};       ///< Step::Hook: how it ended
  char detail[236] = {};   ///< NUL-terminated
};

}  // namespace layerkit::runner
