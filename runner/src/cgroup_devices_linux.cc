#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cgroup_devices.h"
#include "layerkit/base/fd.h"

namespace layerkit::runner {
namespace {

static_assert(sizeof(BpfInstruction) == sizeof(bpf_insn));
static_assert(kMknod == BPF_DEVCG_ACC_MKNOD && kRead == BPF_DEVCG_ACC_READ &&
              kWrite == BPF_DEVCG_ACC_WRITE);

constexpr std::size_t kMaxAttached = 64;  ///< the kernel's, BPF_CGROUP_MAX_PROGS

long bpf(bpf_cmd command, bpf_attr& attributes) noexcept {
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
}

/// What the program keeps where. 0 is the result, 1 the context it is given.
enum Register : std::uint8_t { Result, Scratch, Type, Access, Major, Minor };

class ProgramBuilder {
 public:
  void load(Register to, std::int16_t offset) {
    add(BPF_LDX | BPF_MEM | BPF_W, static_cast<std::uint8_t>(to | Scratch << 4U), offset, 0);
  }
  void compute(std::uint8_t operation, Register to, std::int32_t value) {
    add(static_cast<std::uint8_t>(BPF_ALU | operation | BPF_K), to, 0, value);
  }
  void copy(Register to, Register from) {
    add(BPF_ALU | BPF_MOV | BPF_X, static_cast<std::uint8_t>(to | from << 4U), 0, 0);
  }
  void answer(bool allow) {
    compute(BPF_MOV, Result, allow ? 1 : 0);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0);
  }
  /// The rule that is being written holds only for this value of the register.
  void only_if(Register left, std::int64_t value) { leave(BPF_JNE, left, value); }
  void only_unless(Register left, std::int64_t value) { leave(BPF_JEQ, left, value); }
  void end_rule() {
    for (const std::size_t each : leaves_)
      program_[each].offset = static_cast<std::int16_t>(program_.size() - each - 1);
    leaves_.clear();
  }
  std::vector<BpfInstruction> take() { return std::move(program_); }

 private:
  void leave(int condition, Register left, std::int64_t value) {
    leaves_.push_back(program_.size());
    // As the 32 bits that the kernel compares; numbers of devices are unsigned.
    const auto bits = static_cast<std::uint32_t>(value);
    std::int32_t immediate = 0;
    std::memcpy(&immediate, &bits, sizeof(bits));
    add(BPF_JMP32 | condition | BPF_K, left, 0, immediate);
  }
  void add(int code, std::uint8_t registers, std::int16_t offset, std::int32_t immediate) {
    program_.push_back({static_cast<std::uint8_t>(code), registers, offset, immediate});
  }

  std::vector<BpfInstruction> program_;
  std::vector<std::size_t> leaves_;
};

/// -1 when it cannot be loaded; errno says why.
Fd load_program(const std::vector<BpfInstruction>& program) noexcept {
  static constexpr char kLicense[] = "MIT";
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.license = reinterpret_cast<std::uintptr_t>(kLicense);
  return Fd(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
}

/// Those on the cgroup itself. One that this user may not open only takes more away.
std::vector<Fd> attached_programs(int directory) {
  std::array<std::uint32_t, kMaxAttached> ids{};
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(directory);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  query.query.prog_cnt = kMaxAttached;
  std::vector<Fd> programs;
  if (bpf(BPF_PROG_QUERY, query) != 0) return programs;
  for (std::uint32_t i = 0; i < query.query.prog_cnt; ++i) {
    bpf_attr by_id{};
    by_id.prog_id = ids[i];
    Fd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, by_id)));
    if (program) programs.push_back(std::move(program));
  }
  return programs;
}

int detach(int directory, const Fd& program) noexcept {
  bpf_attr attributes{};
  attributes.target_fd = static_cast<std::uint32_t>(directory);
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  return bpf(BPF_PROG_DETACH, attributes) == 0 ? 0 : errno;
}

}  // namespace

std::vector<BpfInstruction> device_program(const DeviceFilter& filter) {
  ProgramBuilder builder;
  // struct bpf_cgroup_dev_ctx: access in the upper and type in the lower half of the first word.
  builder.load(Type, 0);
  builder.copy(Access, Type);
  builder.compute(BPF_AND, Type, 0xFFFF);
  builder.compute(BPF_RSH, Access, 16);
  builder.load(Major, 4);
  builder.load(Minor, 8);
  const bool allow = !filter.allows_by_default();
  for (const auto& [key, access] : filter.exceptions()) {
    builder.only_if(Type, key.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (key.major >= 0) builder.only_if(Major, key.major);
    if (key.minor >= 0) builder.only_if(Minor, key.minor);
    if (access != kAnyAccess) {
      // To be allowed all of the access must be; to be denied, any of it.
      builder.copy(Scratch, Access);
      builder.compute(BPF_AND, Scratch, static_cast<std::int32_t>(allow ? ~access : access));
      if (allow) {
        builder.only_if(Scratch, 0);
      } else {
        builder.only_unless(Scratch, 0);
      }
    }
    builder.answer(allow);
    builder.end_rule();
  }
  builder.answer(!allow);
  return builder.take();
}

int filter_devices_v2(int directory, const DeviceFilter& filter, const FilterMode& mode) {
  const std::vector<Fd> old = mode.is_new ? std::vector<Fd>() : attached_programs(directory);
  if (!filter.allows_everything()) {
    const Fd program = load_program(device_program(filter));
    if (!program) return errno;
    bpf_attr attributes{};
    attributes.target_fd = static_cast<std::uint32_t>(directory);
    attributes.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (bpf(BPF_PROG_ATTACH, attributes) != 0) return errno;
  }
  // All must agree, so while there are two, the stricter one counts.
  for (const Fd& each : old) {
    if (const int error = detach(directory, each)) return error;
  }
  return 0;
}

}  // namespace layerkit::runner
