#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "object_reader.h"
#include "oci_parts.h"

namespace layerkit::runner {
namespace {

void read_memory(const JsonView& object, Resources::Memory& memory, const Context& context) {
  ObjectReader reader(object, context);
  reader.number("limit", memory.limit);
  reader.number("reservation", memory.reservation);
  reader.number("swap", memory.swap);
  reader.number("kernelTCP", memory.kernel_tcp);
  reader.number("swappiness", memory.swappiness);
  if (const auto disable = reader.take("disableOOMKiller"))
    memory.disable_oom_killer = disable->boolean();
  reader.flag("checkBeforeUpdate", memory.check_before_update);
  if (reader.take("kernel"))
    context.warn("'memory.kernel' has no effect: kernels since 5.4 have no such limit");
  reader.take("useHierarchy");  // always so since Linux 5.11
  reader.finish();
}

void read_cpu(const JsonView& object, Resources::Cpu& cpu, const Context& context) {
  ObjectReader reader(object, context);
  reader.number("shares", cpu.shares);
  reader.number("quota", cpu.quota);
  reader.number("burst", cpu.burst);
  reader.number("period", cpu.period);
  reader.number("realtimeRuntime", cpu.realtime_runtime);
  reader.number("realtimePeriod", cpu.realtime_period);
  reader.text("cpus", cpu.cpus);
  reader.text("mems", cpu.mems);
  reader.number("idle", cpu.idle);
  reader.finish();
  // Zero stands for "not said" where tools fill the document in.
  if (cpu.shares == 0U) cpu.shares.reset();
  if (cpu.quota == 0) cpu.quota.reset();
  if (cpu.period == 0U) cpu.period.reset();
  if (cpu.realtime_runtime == 0) cpu.realtime_runtime.reset();
  if (cpu.realtime_period == 0U) cpu.realtime_period.reset();
}

std::vector<Resources::ThrottleDevice> read_throttles(const JsonView& list,
                                                      const Context& context) {
  std::vector<Resources::ThrottleDevice> devices;
  for (const JsonView& item : list.items()) {
    ObjectReader reader(item, context);
    Resources::ThrottleDevice device;
    device.major = reader.need("major").unsigned_number();
    device.minor = reader.need("minor").unsigned_number();
    device.rate = reader.need("rate").wide_number();
    reader.finish();
    devices.push_back(device);
  }
  return devices;
}

void read_block_io(const JsonView& object, Resources::BlockIo& io, const Context& context) {
  ObjectReader reader(object, context);
  reader.number("weight", io.weight);
  reader.number("leafWeight", io.leaf_weight);
  if (const auto list = reader.take("weightDevice")) {
    for (const JsonView& item : list->items()) {
      ObjectReader members(item, context);
      Resources::WeightDevice device;
      device.major = members.need("major").unsigned_number();
      device.minor = members.need("minor").unsigned_number();
      members.number("weight", device.weight);
      members.number("leafWeight", device.leaf_weight);
      members.finish();
      io.weight_devices.push_back(device);
    }
  }
  for (const auto& [key, list] : {std::pair{"throttleReadBpsDevice", &io.read_bps},
                                  {"throttleWriteBpsDevice", &io.write_bps},
                                  {"throttleReadIOPSDevice", &io.read_iops},
                                  {"throttleWriteIOPSDevice", &io.write_iops}}) {
    if (const auto devices = reader.take(key)) *list = read_throttles(*devices, context);
  }
  reader.finish();
}

void read_network(const JsonView& object, Resources::Network& network, const Context& context) {
  ObjectReader reader(object, context);
  reader.number("classID", network.class_id);
  if (const auto list = reader.take("priorities")) {
    for (const JsonView& item : list->items()) {
      ObjectReader members(item, context);
      Resources::InterfacePriority priority;
      priority.name = members.need("name").string();
      priority.priority = ObjectReader::number_of<std::uint32_t>(members.need("priority"));
      members.finish();
      network.priorities.push_back(std::move(priority));
    }
  }
  reader.finish();
}

Resources::DeviceRule read_rule(const JsonView& item, const Context& context) {
  ObjectReader reader(item, context);
  Resources::DeviceRule rule;
  rule.allow = reader.need("allow").boolean();
  std::string type;
  reader.text("type", type);
  if (!type.empty() && type != "a" && type != "b" && type != "c")
    reader.need("type").refuse(quoted(type) + ": neither a, b nor c");
  if (!type.empty()) rule.type = type.front();
  reader.number("major", rule.major);
  reader.number("minor", rule.minor);
  if (rule.major == -1) rule.major.reset();
  if (rule.minor == -1) rule.minor.reset();
  reader.text("access", rule.access);
  if (rule.access.find_first_not_of("rwm") != std::string::npos)
    reader.need("access").refuse(quoted(rule.access) + ": not of r, w and m alone");
  if (rule.access.empty()) rule.access = "rwm";
  reader.finish();
  return rule;
}

void read_rdma(const JsonView& object, Resources& resources, const Context& context) {
  for (const auto& [device, limits] : object.members()) {
    ObjectReader reader(limits, context);
    Resources::Rdma rdma;
    reader.number("hcaHandles", rdma.handles);
    reader.number("hcaObjects", rdma.objects);
    reader.finish();
    resources.rdma.emplace(device, rdma);
  }
}

}  // namespace

Resources read_resources(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  Resources resources;
  if (const auto memory = reader.take("memory")) read_memory(*memory, resources.memory, context);
  if (const auto cpu = reader.take("cpu")) read_cpu(*cpu, resources.cpu, context);
  if (const auto pids = reader.take("pids")) {
    ObjectReader members(*pids, context);
    members.number("limit", resources.pids_limit);
    members.finish();
  }
  if (const auto io = reader.take("blockIO")) read_block_io(*io, resources.block_io, context);
  if (const auto list = reader.take("hugepageLimits")) {
    for (const JsonView& item : list->items()) {
      ObjectReader members(item, context);
      resources.hugepages.push_back(
          {members.need("pageSize").string(), members.need("limit").wide_number()});
      members.finish();
    }
  }
  if (const auto network = reader.take("network"))
    read_network(*network, resources.network, context);
  if (const auto rdma = reader.take("rdma")) read_rdma(*rdma, resources, context);
  if (const auto unified = reader.take("unified")) {
    for (const auto& [file, value] : unified->members())
      resources.unified.emplace(file, value.string());
  }
  if (const auto rules = reader.take("devices")) {
    for (const JsonView& rule : rules->items())
      resources.devices.push_back(read_rule(rule, context));
  }
  reader.finish();
  return resources;
}

SeccompProfile read_seccomp(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  SeccompProfile profile;
  profile.default_action = reader.need("defaultAction").string();
  reader.number("defaultErrnoRet", profile.default_errno_ret);
  reader.texts("architectures", profile.architectures);
  reader.texts("flags", profile.flags);
  reader.text("listenerPath", profile.listener_path);
  reader.text("listenerMetadata", profile.listener_metadata);
  if (const auto rules = reader.take("syscalls")) {
    for (const JsonView& item : rules->items()) {
      ObjectReader members(item, context);
      SeccompProfile::Rule rule;
      rule.names = members.need("names").strings();
      if (rule.names.empty()) members.need("names").refuse("is empty");
      rule.action = members.need("action").string();
      members.number("errnoRet", rule.errno_ret);
      if (const auto args = members.take("args")) {
        for (const JsonView& each : args->items()) {
          ObjectReader argument(each, context);
          SeccompProfile::Argument compared;
          compared.index = ObjectReader::number_of<std::uint32_t>(argument.need("index"));
          if (compared.index > 5) argument.need("index").refuse("is not in 0..5");
          compared.value = argument.need("value").wide_number();
          argument.number("valueTwo", compared.value_two);
          compared.op = argument.need("op").string();
          argument.finish();
          rule.args.push_back(std::move(compared));
        }
      }
      members.finish();
      profile.syscalls.push_back(std::move(rule));
    }
  }
  reader.finish();
  return profile;
}

}  // namespace layerkit::runner
