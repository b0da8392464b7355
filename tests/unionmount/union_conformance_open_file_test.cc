// Open files: readers and writers over a copy-up, mappings, files without a name, flags of open.

#include <sys/mman.h>

#include <cstdlib>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

/// A mapping of the first bytes of a file.
class Mapping {
 public:
  Mapping(int fd, std::size_t size, int protection)
      : size_(size), data_(::mmap(nullptr, size, protection, MAP_SHARED, fd, 0)) {
    if (data_ == MAP_FAILED) fail_errno(errno, "mapping a file");
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(data_, size_); }

  volatile char* data() const { return static_cast<char*>(data_); }
  std::string text() const {
    std::string bytes;
    for (std::size_t i = 0; i < size_; ++i)
      bytes += data()[i];
    return bytes;
  }
  int sync() const { return ::msync(data_, size_, MS_SYNC); }

 private:
  std::size_t size_;
  void* data_;
};

class UnionOpenFile : public UnionTest {};

TEST_P(UnionOpenFile, AReaderFromBeforeTheCopyUpSeesWhatIsWrittenAfterIt) {
  base().file("f", "old text");
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  EXPECT_EQ(text_of(reader.get()), "old text");
  ASSERT_EQ(tried_write(at("f"), "NEW"), "ok");
  EXPECT_EQ(text_of(reader.get()), "NEW text");
  const Fd later = open_file(at("f"), O_RDONLY);
  EXPECT_EQ(text_of(later.get()), "NEW text");
}

TEST_P(UnionOpenFile, AReaderOfALargeFileFromBeforeTheCopyUpReadsOneOfTheTwo) {
  const std::string old_text(1 << 20, 'o');
  base().file("f", old_text);
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  ASSERT_EQ(tried_write(at("f"), "NEW", O_TRUNC), "ok");
  EXPECT_EQ(text_of(reader.get()) == (traits().large_reader_sees_copy_up ? "NEW" : old_text), true);
  const Fd later = open_file(at("f"), O_RDONLY);
  EXPECT_EQ(text_of(later.get()), "NEW");
}

TEST_P(UnionOpenFile, AReaderFromBeforeTheCopyUpSeesTheNewAttributes) {
  base().file("f", "old text");
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  ASSERT_EQ(tried(::chmod(at("f").c_str(), 0600)), "ok");
  ASSERT_EQ(tried_write(at("f"), "!", O_APPEND), "ok");
  EXPECT_EQ(status_of(reader.get()).st_mode, S_IFREG | 0600U);
  EXPECT_EQ(status_of(reader.get()).st_size, 9);
  EXPECT_EQ(status_of(reader.get()).st_ino, status_of(at("f")).st_ino);
}

TEST_P(UnionOpenFile, AMappingFromBeforeTheCopyUpStaysReadable) {
  base().file("f", "old text");
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  const Mapping mapping(reader.get(), 8, PROT_READ);
  EXPECT_EQ(mapping.text(), "old text");
  ASSERT_EQ(tried_write(at("f"), "NEW"), "ok");
  EXPECT_EQ(mapping.text(), traits().mapping_sees_copy_up ? "NEW text" : "old text");
}

TEST_P(UnionOpenFile, MappingsAndCallsOfACopiedUpFileAgree) {
  base().file("f", std::string(10000, '.'));
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  ASSERT_EQ(::pwrite(fd.get(), "1", 1, 0), 1);
  const Mapping first(fd.get(), 10000, PROT_READ | PROT_WRITE);
  const Fd other = open_file(at("f"), O_RDWR);
  const Mapping second(other.get(), 10000, PROT_READ | PROT_WRITE);
  first.data()[1] = '2';
  second.data()[5000] = '3';
  ASSERT_EQ(::pwrite(other.get(), "4", 1, 9999), 1);
  const std::string text = text_of(at("f"));
  EXPECT_EQ(text.substr(0, 3), "12.");
  EXPECT_EQ(text[5000], '3');
  EXPECT_EQ(first.text(), text);
  EXPECT_EQ(second.text(), text);
  EXPECT_EQ(first.sync(), 0);
  EXPECT_EQ(upper().text("f"), text);
}

TEST_P(UnionOpenFile, AMappingSeesATruncation) {
  mount();
  ASSERT_EQ(tried_write(at("f"), std::string(100, 'x')), "ok");
  const Fd fd = open_file(at("f"), O_RDWR);
  const Mapping mapping(fd.get(), 100, PROT_READ);
  EXPECT_EQ(mapping.text()[99], 'x');
  ASSERT_EQ(tried(::truncate(at("f").c_str(), 50)), "ok");
  EXPECT_EQ(mapping.text()[49], 'x');
  EXPECT_EQ(mapping.text()[99], '\0');
}

TEST_P(UnionOpenFile, AFileThatLostItsNameWorksOn) {
  base().file("lower", "text", 0644);
  upper().file("upper", "text", 0644);
  mount();
  for (const char* name : {"lower", "upper"}) {
    SCOPED_TRACE(name);
    const Fd fd = open_file(at(name), O_RDWR);
    ASSERT_EQ(tried(::unlink(at(name).c_str())), "ok");
    EXPECT_EQ(text_of(fd.get()), "text");
    EXPECT_EQ(::pwrite(fd.get(), "!", 1, 4), 1);
    EXPECT_EQ(text_of(fd.get()), "text!");
    EXPECT_EQ(tried(::ftruncate(fd.get(), 2)), "ok");
    EXPECT_EQ(status_of(fd.get()).st_size, 2);
    EXPECT_EQ(tried(::fchmod(fd.get(), 0600)), "ok");
    EXPECT_EQ(tried(::fchown(fd.get(), 1, 2)), "ok");
    EXPECT_EQ(status_of(fd.get()).st_mode, S_IFREG | 0600U);
    EXPECT_EQ(status_of(fd.get()).st_uid, 1U);
    EXPECT_EQ(status_of(fd.get()).st_nlink, 0U);
    EXPECT_EQ(tried(::fsync(fd.get())), "ok");
  }
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionOpenFile, ALowerFileThatLostItsNameCanBeReadOn) {
  base().file("f", "text");
  mount();
  const Fd fd = open_file(at("f"), O_RDONLY);
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  EXPECT_EQ(text_of(fd.get()), "text");
  EXPECT_EQ(status_of(fd.get()).st_size, 4);
  EXPECT_EQ(status_of(fd.get()).st_nlink, traits().counts_links_of_unlinked_lower ? 0U : 1U);
  ASSERT_EQ(tried_write(at("f"), "another"), "ok");
  EXPECT_EQ(text_of(fd.get()), "text");
  EXPECT_NE(status_of(fd.get()).st_ino, status_of(at("f")).st_ino);
}

TEST_P(UnionOpenFile, AReaderOfANamelessLowerFileCanChangeItsMode) {
  base().file("f", "text");
  mount();
  const Fd fd = open_file(at("f"), O_RDONLY);
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  EXPECT_EQ(tried(::fchmod(fd.get(), 0600)), traits().changes_nameless_lower ? "ok" : "EEXIST");
  EXPECT_EQ(status_of(fd.get()).st_mode,
            S_IFREG | (traits().changes_nameless_lower ? 0600U : 0644U));
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionOpenFile, AReplacedFileWorksOn) {
  base().file("f", "old");
  mount();
  const Fd fd = open_file(at("f"), O_RDWR);
  ASSERT_EQ(tried_write(at("new"), "new"), "ok");
  ASSERT_EQ(tried_rename(at("new"), at("f")), "ok");
  EXPECT_EQ(::pwrite(fd.get(), "O", 1, 0), 1);
  EXPECT_EQ(text_of(fd.get()), "Old");
  EXPECT_EQ(status_of(fd.get()).st_nlink, 0U);
  EXPECT_EQ(text_of(at("f")), "new");
}

TEST_P(UnionOpenFile, ANamelessFileLeavesNothingInTheBranch) {
  base().file("f", "text");
  mount();
  {
    const Fd fd = open_file(at("f"), O_RDWR);
    ASSERT_EQ(::pwrite(fd.get(), "TEXT", 4, 0), 4);
    ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  }
  EXPECT_TRUE(upper().has_whiteout("f"));
  unmount();
  mount();
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionOpenFile, ATemporaryFileHasNoNameUntilItIsGivenOne) {
  base().dir("d");
  mount();
  const Fd fd(::open(at("d").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
  ASSERT_TRUE(fd) << errno_text(errno);
  EXPECT_EQ(::pwrite(fd.get(), "text", 4, 0), 4);
  EXPECT_EQ(status_of(fd.get()).st_nlink, 0U);
  EXPECT_EQ(names_in(at("d")), Names{});
  const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
  EXPECT_EQ(tried(::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, at("d/f").c_str(), AT_SYMLINK_FOLLOW)),
            "ok");
  EXPECT_EQ(text_of(at("d/f")), "text");
  EXPECT_EQ(mode_of(at("d/f")), 0640U);
  EXPECT_EQ(status_of(at("d/f")).st_ino, status_of(fd.get()).st_ino);
  EXPECT_EQ(status_of(at("d/f")).st_nlink, 1U);
}

TEST_P(UnionOpenFile, ATemporaryFileTakesThePlaceOfAWhiteout) {
  base().file("f", "hidden");
  mount();
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  const Fd fd(::open(root().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd) << errno_text(errno);
  ASSERT_EQ(::write(fd.get(), "new", 3), 3);
  EXPECT_EQ(tried(::linkat(fd.get(), "", AT_FDCWD, at("f").c_str(), AT_EMPTY_PATH)), "ok");
  EXPECT_EQ(text_of(at("f")), "new");
}

TEST_P(UnionOpenFile, ATemporaryFileThatMayNotBeLinkedIsNot) {
  mount();
  const Fd fd(::open(root().c_str(), O_TMPFILE | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd) << errno_text(errno);
  EXPECT_EQ(tried(::linkat(fd.get(), "", AT_FDCWD, at("f").c_str(), AT_EMPTY_PATH)), "ENOENT");
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionOpenFile, AppendingWritersAddToEachOthersText) {
  base().file("f", "0");
  mount();
  const Fd first = open_file(at("f"), O_WRONLY | O_APPEND);
  const Fd second = open_file(at("f"), O_RDWR | O_APPEND);
  EXPECT_EQ(::write(first.get(), "1", 1), 1);
  EXPECT_EQ(::write(second.get(), "2", 1), 1);
  EXPECT_EQ(::lseek(first.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(::write(first.get(), "3", 1), 1);
  EXPECT_EQ(text_of(at("f")), "0123");
}

TEST_P(UnionOpenFile, AppendingCanBeSwitchedOff) {
  base().file("f", "0123");
  mount();
  const Fd fd = open_file(at("f"), O_RDWR | O_APPEND);
  ASSERT_EQ(::write(fd.get(), "4", 1), 1);
  ASSERT_EQ(tried(::fcntl(fd.get(), F_SETFL, 0)), "ok");
  EXPECT_EQ(::pwrite(fd.get(), "X", 1, 0), 1);
  EXPECT_EQ(text_of(at("f")), "X1234");
}

TEST_P(UnionOpenFile, ExclusiveCreationSeesEveryBranch) {
  base().file("base", "");
  upper().file("upper", "");
  base().file("gone", "");
  middle().whiteout("gone");
  base().symlink("dangling", "nowhere");
  mount();
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL;
  EXPECT_EQ(tried_open(at("base"), kFlags), "EEXIST");
  EXPECT_EQ(tried_open(at("upper"), kFlags), "EEXIST");
  EXPECT_EQ(tried_open(at("dangling"), kFlags), "EEXIST");
  EXPECT_EQ(tried_open(at("gone"), kFlags), "ok");
  EXPECT_EQ(tried_open(at("new"), kFlags), "ok");
  EXPECT_EQ(tried_open(at("new"), kFlags), "EEXIST");
}

TEST_P(UnionOpenFile, CreatingThroughADanglingSymlinkMakesItsTarget) {
  base().symlink("d/symlink", "target");
  mount();
  EXPECT_EQ(tried_write(at("d/symlink"), "text"), "ok");
  EXPECT_EQ(names_in(at("d")), (Names{"symlink", "target"}));
  EXPECT_EQ(text_of(at("d/target")), "text");
}

TEST_P(UnionOpenFile, FlagsSayWhatMayBeOpened) {
  base().file("f", "text");
  base().symlink("symlink", "f");
  base().symlink("loop", "loop");
  base().dir("d");
  mount();
  EXPECT_EQ(tried_open(at("symlink"), O_RDONLY | O_NOFOLLOW), "ELOOP");
  EXPECT_EQ(tried_open(at("symlink"), O_PATH | O_NOFOLLOW), "ok");
  EXPECT_EQ(tried_open(at("symlink"), O_RDONLY), "ok");
  EXPECT_EQ(tried_open(at("loop"), O_RDONLY), "ELOOP");
  EXPECT_EQ(tried_open(at("f"), O_RDONLY | O_DIRECTORY), "ENOTDIR");
  EXPECT_EQ(tried_open(at("d"), O_RDONLY | O_DIRECTORY), "ok");
  EXPECT_EQ(tried_open(at("d"), O_WRONLY), "EISDIR");
  EXPECT_EQ(tried_open(at("d"), O_RDONLY | O_CREAT), "EISDIR");
  EXPECT_EQ(tried_open(at("f/"), O_RDONLY), "ENOTDIR");
  const Fd reader = open_file(at("f"), O_RDONLY);
  EXPECT_EQ(tried(::write(reader.get(), "x", 1)), "EBADF");
  const Fd writer = open_file(at("f"), O_WRONLY);
  char byte = 0;
  EXPECT_EQ(tried(::read(writer.get(), &byte, 1)), "EBADF");
}

TEST_P(UnionOpenFile, DirectTransfersWorkWhereTheBranchHasThem) {
  base().file("f", std::string(8192, 'x'));
  const std::string of_branch = tried_open(base().path("f"), O_RDONLY | O_DIRECT);
  mount();
  if (of_branch != "ok") GTEST_SKIP() << "the branch has no O_DIRECT: " << of_branch;
  void* memory = std::aligned_alloc(4096, 4096);
  ASSERT_NE(memory, nullptr);
  const std::unique_ptr<void, decltype(&std::free)> buffer(memory, &std::free);
  {
    const Fd fd = open_file(at("f"), O_RDONLY | O_DIRECT);
    EXPECT_EQ(::pread(fd.get(), memory, 4096, 4096), 4096);
    EXPECT_EQ(static_cast<char*>(memory)[4095], 'x');
  }
  std::memset(memory, 'y', 4096);
  const Fd fd = open_file(at("f"), O_RDWR | O_DIRECT);
  EXPECT_EQ(::pwrite(fd.get(), memory, 4096, 0), 4096);
  // A buffered reader sees what went past the cache.
  const std::string text = text_of(at("f"));
  EXPECT_EQ(text.substr(0, 4096), std::string(4096, 'y'));
  EXPECT_EQ(text.substr(4096), std::string(4096, 'x'));
}

TEST_P(UnionOpenFile, AFileThatIsBeingExecutedCannotBeWritten) {
  base().file("program", read_file_at(AT_FDCWD, "/bin/sleep", 1 << 24), 0755);
  mount();
  const Fd writer = open_file(at("program"), O_RDWR);
  const int code = exit_code_of_child([] { return ::fork(); },
                                      [&] {
                                        const std::string path = at("program");
                                        ::execl(path.c_str(), path.c_str(), "0", nullptr);
                                        return errno == ETXTBSY ? 3 : 4;
                                      });
  EXPECT_EQ(code, 3);
}

TEST_P(UnionOpenFile, ADescriptorOfProcLeadsToTheFile) {
  base().file("f", "text");
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  const std::string self = fmt::format("/proc/self/fd/{}", reader.get());
  const Fd writer = open_file(self, O_RDWR);
  EXPECT_EQ(::pwrite(writer.get(), "T", 1, 0), 1);
  EXPECT_EQ(text_of(at("f")), "Text");
  EXPECT_EQ(upper().text("f"), "Text");
}

TEST_P(UnionOpenFile, FifosAndSocketsConnectWhoeverOpensThem) {
  base().node("fifo", S_IFIFO | 0666);
  mount();
  const Fd reader = open_file(at("fifo"), O_RDONLY | O_NONBLOCK);
  const Fd writer = open_file(at("fifo"), O_WRONLY);
  EXPECT_EQ(::write(writer.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_P(UnionOpenFile, ManyFilesCanBeOpenAtOnce) {
  constexpr int kCount = 3000;
  for (int i = 0; i < kCount; ++i)
    base().file(fmt::format("d/{}", i), fmt::format("{}", i));
  mount();
  std::vector<Fd> open;
  for (int i = 0; i < kCount; ++i)
    open.push_back(open_file(at(fmt::format("d/{}", i)), i % 2 == 0 ? O_RDONLY : O_RDWR));
  for (int i = 0; i < kCount; ++i)
    ASSERT_EQ(text_of(open[static_cast<std::size_t>(i)].get()), fmt::format("{}", i));
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionOpenFile,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk})),
                         case_name);

}  // namespace
}  // namespace layerkit
