// File contents beyond read and write: holes, fallocate, copies, locks.

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionData : public UnionTest {};

constexpr off_t kPart = 16384;

std::string four_parts() {
  std::string text;
  for (const char letter : {'a', 'b', 'c', 'd'})
    text += std::string(kPart, letter);
  return text;
}

TEST_P(UnionData, HolesArePunchedIntoALowerFile) {
  base().file("f", four_parts());
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  ASSERT_EQ(tried(::fallocate(fd.get(), kMode, kPart, kPart)), "ok");
  std::string wanted = four_parts();
  wanted.replace(kPart, kPart, std::string(kPart, '\0'));
  EXPECT_TRUE(text_of(at("f")) == wanted);
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_HOLE), kPart);
  EXPECT_EQ(::lseek(fd.get(), kPart, SEEK_DATA), 2 * kPart);
  EXPECT_EQ(tried(::lseek(fd.get(), 4 * kPart, SEEK_DATA)), "ENXIO");
}

TEST_P(UnionData, FallocateDoesWhatTheBranchCan) {
  struct Call {
    int mode;
    off_t offset;
    off_t size;
  };
  const std::vector<Call> calls = {{0, 0, 8 * kPart},
                                   {FALLOC_FL_KEEP_SIZE, 0, 8 * kPart},
                                   {FALLOC_FL_ZERO_RANGE, kPart, kPart},
                                   {FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, kPart, 8 * kPart},
                                   {FALLOC_FL_COLLAPSE_RANGE, kPart, kPart},
                                   {FALLOC_FL_INSERT_RANGE, kPart, kPart},
                                   {FALLOC_FL_PUNCH_HOLE, 0, kPart},
                                   {0, -1, 1},
                                   {0, 0, 0}};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    base().file(fmt::format("{}", i), four_parts());
    upper().file(fmt::format("upper/{}", i), four_parts());
  }
  mount();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(i);
    const auto call = [&calls, i](int fd) {
      return ::fallocate(fd, calls[i].mode, calls[i].offset, calls[i].size);
    };
    constexpr int kShifts = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
    if (!traits().shifts_ranges && (calls[i].mode & kShifts) != 0) {
      EXPECT_EQ(tried(call(open_file(at(fmt::format("{}", i)), O_RDWR).get())), "EOPNOTSUPP");
      EXPECT_TRUE(text_of(at(fmt::format("{}", i))) == four_parts());
      continue;
    }
    const std::string measure = upper().path() + "-measure";
    write_file_at(AT_FDCWD, measure, four_parts(), 0600);
    const std::string of_writer = tried(call(open_file(measure, O_RDWR).get()));
    const std::string of_reader = tried(call(open_file(measure, O_RDONLY).get()));
    for (const std::string& name : {fmt::format("{}", i), fmt::format("upper/{}", i)}) {
      EXPECT_EQ(tried(call(open_file(at(name), O_RDWR).get())), of_writer);
      EXPECT_EQ(tried(call(open_file(at(name), O_RDONLY).get())), of_reader);
      EXPECT_TRUE(text_of(at(name)) == text_of(measure));
    }
    ::unlink(measure.c_str());
  }
}

TEST_P(UnionData, DataAndHolesOfALowerFileAreFound) {
  base().file("f");
  {
    const Fd fd = open_file(base().path("f"), O_WRONLY);
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, 1 << 20), 1);
    ASSERT_EQ(::ftruncate(fd.get(), 2 << 20), 0);
  }
  mount();
  for (int round = 0; round < 2; ++round) {
    const Fd fd = open_file(at("f"), O_RDONLY);
    const off_t data = ::lseek(fd.get(), 0, SEEK_DATA);
    EXPECT_GT(data, 1 << 19);
    EXPECT_LE(data, 1 << 20);
    const off_t hole = ::lseek(fd.get(), data, SEEK_HOLE);
    EXPECT_GT(hole, 1 << 20);
    // Copying may fill what is left of a block of its own.
    if (round == 0) {
      EXPECT_LT(hole, 3 << 19);
    }
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_HOLE), 0);
    EXPECT_EQ(::lseek(fd.get(), -5, SEEK_END), (2 << 20) - 5);
    ASSERT_EQ(tried(::chmod(at("f").c_str(), 0600)), "ok");
  }
}

TEST_P(UnionData, RangesAreCopiedBetweenFilesOfOneFileSystem) {
  base().file("lower", four_parts());
  upper().file("upper", "");
  base().file("target", "0123456789");
  mount();
  const Fd from = open_file(at("lower"), O_RDONLY);
  if (GetParam().medium == Medium::Mixed) {
    // The kernel copies no ranges from one file system to another.
    off_t start = 0;
    const Fd to = open_file(at("upper"), O_RDWR);
    const std::string result =
        tried(::copy_file_range(from.get(), &start, to.get(), nullptr, 4, 0));
    EXPECT_TRUE(result == "EXDEV" || result == "ok") << result;
    return;
  }
  for (const char* name : {"upper", "target"}) {
    const Fd to = open_file(at(name), O_RDWR);
    off_t in = kPart - 2;
    off_t out = 3;
    ASSERT_EQ(::copy_file_range(from.get(), &in, to.get(), &out, 4, 0), 4) << errno_text(errno);
    EXPECT_EQ(in, kPart + 2);
    EXPECT_EQ(out, 7);
  }
  EXPECT_EQ(text_of(at("upper")), std::string("\0\0\0aabb", 7));
  EXPECT_EQ(text_of(at("target")), "012aabb789");
  EXPECT_FALSE(upper().has("lower"));
}

TEST_P(UnionData, SendfileReadsALowerFile) {
  base().file("lower", four_parts());
  mount();
  const Fd from = open_file(at("lower"), O_RDONLY);
  const Fd to = open_file(at("copy"), O_WRONLY | O_CREAT);
  EXPECT_EQ(::sendfile(to.get(), from.get(), nullptr, 4 * kPart), 4 * kPart);
  EXPECT_TRUE(text_of(at("copy")) == four_parts());
}

TEST_P(UnionData, VectorsAndLargeOffsets) {
  base().file("f", "text");
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  constexpr off_t kFar = (off_t{5} << 30) + 3;
  ASSERT_EQ(::pwrite(fd.get(), "far", 3, kFar), 3);
  EXPECT_EQ(status_of(at("f")).st_size, kFar + 3);
  std::string end(3, '\0');
  EXPECT_EQ(::pread(fd.get(), end.data(), 3, kFar), 3);
  EXPECT_EQ(end, "far");
  EXPECT_EQ(::pread(fd.get(), end.data(), 3, kFar + 3), 0);
  ASSERT_EQ(tried(::ftruncate(fd.get(), 4)), "ok");
  EXPECT_EQ(text_of(at("f")), "text");
}

TEST_P(UnionData, WhatIsBeyondTheEndAfterATruncationIsZero) {
  base().file("f", "0123456789");
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  ASSERT_EQ(tried(::ftruncate(fd.get(), 3)), "ok");
  ASSERT_EQ(tried(::ftruncate(fd.get(), 6)), "ok");
  EXPECT_EQ(text_of(at("f")), std::string("012\0\0\0", 6));
  ASSERT_EQ(::pwrite(fd.get(), "9", 1, 9), 1);
  EXPECT_EQ(text_of(at("f")), std::string("012\0\0\0\0\0\0"
                                          "9",
                                          10));
}

TEST_P(UnionData, ChangingContentsChangesTheTimes) {
  for (const char* name : {"write", "truncate", "fallocate"}) {
    base().file(name, "text");
    make_old(base().path(name));
  }
  mount();
  ASSERT_EQ(tried_write(at("write"), "T"), "ok");
  ASSERT_EQ(tried(::truncate(at("truncate").c_str(), 1)), "ok");
  ASSERT_EQ(tried(::fallocate(open_file(at("fallocate"), O_RDWR).get(), 0, 0, 100)), "ok");
  for (const char* name : {"write", "truncate", "fallocate"})
    EXPECT_GT(mtime_of(at(name)), 1'000'000'002'000'000'000) << name;
}

TEST_P(UnionData, LocksHoldOverACopyUp) {
  base().file("f", "text");
  mount();
  const Fd first = open_file(at("f"), O_RDONLY);
  ASSERT_EQ(tried(::flock(first.get(), LOCK_EX)), "ok");
  const Fd writer = open_file(at("f"), O_RDWR);
  ASSERT_EQ(::pwrite(writer.get(), "T", 1, 0), 1);
  EXPECT_EQ(tried(::flock(writer.get(), LOCK_EX | LOCK_NB)), "EAGAIN");
  EXPECT_EQ(tried(::flock(first.get(), LOCK_UN)), "ok");
  EXPECT_EQ(tried(::flock(writer.get(), LOCK_EX | LOCK_NB)), "ok");
}

TEST_P(UnionData, RecordLocksAreSeenByOtherProcesses) {
  base().file("f", "text");
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_start = 1;
  lock.l_len = 2;
  ASSERT_EQ(tried(::fcntl(fd.get(), F_SETLK, &lock)), "ok");
  as_user({.uid = 0, .gid = 0}, [&] {
    const Fd other = open_file(at("f"), O_RDWR);
    struct flock probe = lock;
    EXPECT_EQ(tried(::fcntl(other.get(), F_SETLK, &probe)), "EAGAIN");
    EXPECT_EQ(tried(::fcntl(other.get(), F_GETLK, &probe)), "ok");
    EXPECT_EQ(probe.l_type, F_WRLCK);
    EXPECT_EQ(probe.l_pid, ::getppid());
    probe = lock;
    probe.l_start = 3;
    EXPECT_EQ(tried(::fcntl(other.get(), F_SETLK, &probe)), "ok");
  });
}

TEST_P(UnionData, OpenFileLocksBelongToTheOpenFile) {
  base().file("f", "text");
  mount();
  const Fd first = open_file(at("f"), O_RDWR);
  const Fd second = open_file(at("f"), O_RDWR);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(tried(::fcntl(first.get(), F_OFD_SETLK, &lock)), "ok");
  EXPECT_EQ(tried(::fcntl(second.get(), F_OFD_SETLK, &lock)), "EAGAIN");
}

TEST_P(UnionData, SyncingWorksOnAllThatCanBeOpened) {
  base().file("d/f", "text");
  mount();
  EXPECT_EQ(tried(::fsync(open_file(at("d/f"), O_RDONLY).get())), "ok");
  EXPECT_EQ(tried(::fsync(open_file(at("d"), O_RDONLY).get())), "ok");
  ASSERT_EQ(tried_write(at("d/f"), "TEXT"), "ok");
  EXPECT_EQ(tried(::fdatasync(open_file(at("d/f"), O_RDWR).get())), "ok");
  EXPECT_EQ(tried(::fsync(open_file(at("d"), O_RDONLY).get())), "ok");
  EXPECT_EQ(tried(::syncfs(open_file(at("d"), O_RDONLY).get())), "ok");
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionData,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk,
                                                          Medium::Mixed})),
                         case_name);

}  // namespace
}  // namespace layerkit
