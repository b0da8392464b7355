#include "cli/stats_json.h"

#include <nlohmann/json.hpp>

namespace layerkit::cli {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const CgroupStats::Stall& stall) {
  return {{"avg10", stall.avg10},
          {"avg60", stall.avg60},
          {"avg300", stall.avg300},
          {"total", stall.total}};
}

void add_pressure(Json& json, const std::optional<CgroupStats::Pressure>& pressure) {
  if (!pressure) return;
  json["psi"] = {{"some", to_json(pressure->some)}, {"full", to_json(pressure->full)}};
}

Json to_json(const CgroupStats::Cpu& cpu) {
  Json json;
  Json& usage = json["usage"];
  usage["total"] = cpu.usage.total;
  if (!cpu.usage.per_cpu.empty()) usage["percpu"] = cpu.usage.per_cpu;
  if (!cpu.usage.per_cpu_kernel.empty()) usage["percpu_kernel"] = cpu.usage.per_cpu_kernel;
  if (!cpu.usage.per_cpu_user.empty()) usage["percpu_user"] = cpu.usage.per_cpu_user;
  usage["kernel"] = cpu.usage.kernel;
  usage["user"] = cpu.usage.user;
  json["throttling"] = {{"periods", cpu.throttling.periods},
                        {"throttledPeriods", cpu.throttling.throttled_periods},
                        {"throttledTime", cpu.throttling.throttled_time}};
  add_pressure(json, cpu.pressure);
  return json;
}

Json to_json(const CgroupStats::Cpuset& cpuset) {
  Json json;
  if (!cpuset.cpus.empty()) json["cpus"] = cpuset.cpus;
  json["cpu_exclusive"] = cpuset.cpu_exclusive;
  if (!cpuset.mems.empty()) json["mems"] = cpuset.mems;
  json["mem_hardwall"] = cpuset.mem_hardwall;
  json["mem_exclusive"] = cpuset.mem_exclusive;
  json["memory_migrate"] = cpuset.memory_migrate;
  json["memory_spread_page"] = cpuset.memory_spread_page;
  json["memory_spread_slab"] = cpuset.memory_spread_slab;
  json["memory_pressure"] = cpuset.memory_pressure;
  json["sched_load_balance"] = cpuset.sched_load_balance;
  json["sched_relax_domain_level"] = cpuset.sched_relax_domain_level;
  return json;
}

Json to_json(const CgroupStats::MemoryEntry& entry) {
  Json json;
  json["limit"] = entry.limit;
  json["usage"] = entry.usage;
  json["max"] = entry.max;
  json["failcnt"] = entry.failcnt;
  return json;
}

Json to_json(const CgroupStats::Memory& memory) {
  Json json;
  if (memory.cache != 0) json["cache"] = memory.cache;
  json["usage"] = to_json(memory.usage);
  json["swap"] = to_json(memory.swap);
  json["kernel"] = to_json(memory.kernel);
  json["kernelTCP"] = to_json(memory.kernel_tcp);
  if (!memory.raw.empty()) json["raw"] = memory.raw;
  add_pressure(json, memory.pressure);
  return json;
}

Json to_json(const CgroupStats::Pids& pids) {
  Json json = Json::object();
  if (pids.current != 0) json["current"] = pids.current;
  if (pids.limit != 0) json["limit"] = pids.limit;
  return json;
}

void add_entries(Json& json,
                 const char* name,
                 const std::vector<CgroupStats::BlockIoEntry>& entries) {
  if (entries.empty()) return;
  Json& list = json[name];
  for (const CgroupStats::BlockIoEntry& entry : entries) {
    Json item;
    item["major"] = entry.major;
    item["minor"] = entry.minor;
    if (!entry.op.empty()) item["op"] = entry.op;
    item["value"] = entry.value;
    list.push_back(std::move(item));
  }
}

Json to_json(const CgroupStats::BlockIo& io) {
  Json json = Json::object();
  add_entries(json, "ioServiceBytesRecursive", io.service_bytes);
  add_entries(json, "ioServicedRecursive", io.serviced);
  add_entries(json, "ioQueueRecursive", io.queued);
  add_entries(json, "ioServiceTimeRecursive", io.service_time);
  add_entries(json, "ioWaitTimeRecursive", io.wait_time);
  add_entries(json, "ioMergedRecursive", io.merged);
  add_entries(json, "ioTimeRecursive", io.time);
  add_entries(json, "sectorsRecursive", io.sectors);
  add_pressure(json, io.pressure);
  return json;
}

Json to_json(const std::map<std::string, CgroupStats::Hugepages>& all) {
  Json json = Json::object();
  for (const auto& [size, pages] : all)
    json[size] = {{"usage", pages.usage}, {"max", pages.max}, {"failcnt", pages.failcnt}};
  return json;
}

}  // namespace

std::string stats_event(const std::string& id, const CgroupStats& stats) {
  Json event;
  event["type"] = "stats";
  event["id"] = id;
  Json& data = event["data"];
  data["cpu"] = to_json(stats.cpu);
  data["cpuset"] = to_json(stats.cpuset);
  data["memory"] = to_json(stats.memory);
  data["pids"] = to_json(stats.pids);
  data["blkio"] = to_json(stats.block_io);
  data["hugetlb"] = to_json(stats.hugepages);
  data["intel_rdt"] = Json::object();
  data["network_interfaces"] = nullptr;
  return event.dump();
}

std::string oom_event(const std::string& id) {
  return Json{{"type", "oom"}, {"id", id}}.dump();
}

}  // namespace layerkit::cli
