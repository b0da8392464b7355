#include "cgroup_devices.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "cgroup.h"
#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;
using layerkit::testing::TempDir;
using Rule = Resources::DeviceRule;
using Rules = std::vector<Rule>;

std::vector<std::string> lines(const std::vector<DeviceWrite>& writes) {
  std::vector<std::string> all;
  for (const DeviceWrite& write : writes)
    all.push_back((write.allow ? "allow " : "deny ") + write.line);
  return all;
}
using Lines = std::vector<std::string>;

DeviceFilter filter_of(const Rules& rules) {
  DeviceFilter filter;
  for (const Rule& rule : rules)
    filter.apply(rule);
  return filter;
}

const Rule kDenyAll = {false, 'a', {}, {}, "rwm"};
const Rule kAllowAll = {true, 'a', {}, {}, "rwm"};

/// Runs the program as the kernel would. Only what device_program() emits is known.
bool run(const std::vector<BpfInstruction>& program,
         std::uint32_t type,
         std::uint32_t access,
         std::uint32_t major,
         std::uint32_t minor) {
  const std::uint32_t words[3] = {access << 16U | type, major, minor};
  std::uint32_t registers[16] = {};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const BpfInstruction& each = program[at];
    std::uint32_t& to = registers[each.registers & 0xFU];
    const std::uint32_t from = registers[each.registers >> 4U];
    const auto value = static_cast<std::uint32_t>(each.immediate);
    switch (each.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        to = words[each.offset / 4];
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        to = from;
        break;
      case BPF_ALU | BPF_MOV | BPF_K:
        to = value;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        to &= value;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        to >>= value;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        if (to != value) at += static_cast<std::size_t>(each.offset);
        break;
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        if (to == value) at += static_cast<std::size_t>(each.offset);
        break;
      case BPF_JMP | BPF_EXIT:
        return registers[0] != 0;
      default:
        ADD_FAILURE() << "unknown instruction " << int{each.code};
        return false;
    }
  }
  ADD_FAILURE() << "the program runs over its end";
  return false;
}

constexpr std::uint32_t kBlock = BPF_DEVCG_DEV_BLOCK;
constexpr std::uint32_t kChar = BPF_DEVCG_DEV_CHAR;

TEST(DeviceFilterTest, WithoutRulesTheUsualDevicesAreAllowed) {
  const DeviceFilter filter = device_filter({});
  EXPECT_FALSE(filter.allows_by_default());
  EXPECT_EQ(filter, device_filter({kDenyAll}));
  DeviceFilter fresh;
  fresh.apply(kAllowAll);
  EXPECT_EQ(lines(device_writes(fresh, filter)),
            (Lines{"deny a", "allow c *:* m", "allow b *:* m", "allow c 1:3 rwm", "allow c 1:5 rwm",
                   "allow c 1:7 rwm", "allow c 1:8 rwm", "allow c 1:9 rwm", "allow c 5:0 rwm",
                   "allow c 5:2 rwm", "allow c 136:* rwm"}));
}

TEST(DeviceFilterTest, WhereAllIsAllowedNothingIsAdded) {
  EXPECT_TRUE(device_filter({kAllowAll}).allows_everything());
}

TEST(DeviceFilterTest, RulesCountInTheirOrder) {
  const Rule allow_fuse = {true, 'c', 10, 229, "rwm"};
  const Rule deny_write = {false, 'c', 10, 229, "w"};
  const DeviceFilter filter = filter_of({kDenyAll, allow_fuse, deny_write});
  EXPECT_EQ(filter.exceptions().at({10, 229, 'c'}), kRead | kMknod);
  EXPECT_TRUE(filter_of({allow_fuse, kDenyAll}).exceptions().empty());
  const DeviceFilter denied = filter_of({kAllowAll, deny_write});
  EXPECT_TRUE(denied.allows_by_default());
  EXPECT_EQ(denied.exceptions().at({10, 229, 'c'}), kWrite);
}

TEST(DeviceFilterTest, AHoleInAWildcardIsRefused) {
  const Rule allow_block = {true, 'b', 8, {}, "rwm"};
  const Rule deny_one = {false, 'b', 8, 3, "w"};
  expect_error(Errc::Unsupported, "cannot punch hole in existing wildcard rule 'b 8:* rwm'", [&] {
    device_filter({kDenyAll, allow_block, deny_one});
  });
}

TEST(DeviceFilterTest, TransitionsTakeNothingAwayThatStays) {
  const DeviceFilter now = filter_of({kDenyAll, {true, 'c', 1, 3, "rwm"}, {true, 'c', 1, 5, "rw"}});
  const DeviceFilter wanted =
      filter_of({kDenyAll, {true, 'c', 1, 3, "r"}, {true, 'c', 1, 5, "rwm"}});
  EXPECT_EQ(lines(device_writes(now, wanted)), (Lines{"deny c 1:3 wm", "allow c 1:5 m"}));
  EXPECT_TRUE(device_writes(now, now).empty());
  EXPECT_EQ(lines(device_writes(now, filter_of({kAllowAll}))), (Lines{"allow a"}));
}

TEST(DeviceFilterTest, ReadsWhatTheKernelShows) {
  EXPECT_TRUE(parse_device_list("a *:* rwm\n").allows_everything());
  const DeviceFilter filter = parse_device_list("c *:* m\nb 8:* rw\nc 1:3 rwm\n");
  EXPECT_EQ(
      filter,
      filter_of({{true, 'c', {}, {}, "m"}, {true, 'b', 8, {}, "rw"}, {true, 'c', 1, 3, "rwm"}}));
  EXPECT_TRUE(parse_device_list("what is this\n").exceptions().empty());
}

TEST(DeviceProgramTest, AllowsWhatIsAllowedOnly) {
  const auto program = device_program(device_filter({{true, 'b', 8, 0, "r"}}));
  EXPECT_TRUE(run(program, kChar, kRead | kWrite, 1, 3));
  EXPECT_TRUE(run(program, kChar, kRead, 136, 77));
  EXPECT_TRUE(run(program, kChar, kMknod, 1, 11));
  EXPECT_FALSE(run(program, kChar, kRead, 1, 11));
  EXPECT_FALSE(run(program, kBlock, kRead, 1, 3));
  EXPECT_TRUE(run(program, kBlock, kRead, 8, 0));
  EXPECT_FALSE(run(program, kBlock, kRead | kWrite, 8, 0));
  EXPECT_FALSE(run(program, kBlock, kRead, 8, 1));
  EXPECT_TRUE(run(program, kBlock, kMknod, 8, 1));
}

TEST(DeviceProgramTest, DeniesExceptionsAsSoonAsAPartMatches) {
  const auto program = device_program(filter_of({kAllowAll, {false, 'b', 8, {}, "w"}}));
  EXPECT_TRUE(run(program, kBlock, kRead, 8, 3));
  EXPECT_FALSE(run(program, kBlock, kRead | kWrite, 8, 3));
  EXPECT_TRUE(run(program, kBlock, kRead | kWrite, 9, 3));
  EXPECT_TRUE(run(program, kChar, kWrite, 8, 3));
}

TEST(DeviceProgramTest, ComparesLargeNumbersUnsigned) {
  const auto program = device_program(filter_of({{true, 'c', 4294967295, {}, "rwm"}}));
  EXPECT_TRUE(run(program, kChar, kRead, 4294967295U, 0));
  EXPECT_FALSE(run(program, kChar, kRead, 1, 0));
}

TEST(DeviceFilterTest, RulesThatOnlyAllowCanBeDoneWithout) {
  EXPECT_TRUE(can_go_unfiltered({}, EPERM));
  EXPECT_TRUE(can_go_unfiltered({{true, 'c', 10, 229, "rwm"}}, EPERM));
  EXPECT_TRUE(can_go_unfiltered({kDenyAll}, EPERM));
  EXPECT_FALSE(can_go_unfiltered({kDenyAll}, EIO));
}

}  // namespace
}  // namespace layerkit::runner
