#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "raw_tar.h"
#include "sample_layer.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

TarItem file_item(const std::string& path, const std::string& contents = {}) {
  TarItem item;
  item.entry.path = RelPath::parse(path);
  item.entry.mode = 0644;
  item.entry.size = contents.size();
  item.contents = contents;
  return item;
}

std::string write_one(const TarItem& item, const TarWriterOptions& options = {}) {
  return write_tar({item}, options);
}

/// How many extended headers stand in front of the only entry.
bool uses_pax(const TarItem& item) {
  return write_one(item)[156] == 'x';
}

TEST(TarWriterTest, WhatIsWrittenIsReadAgain) {
  for (std::uint32_t seed = 100; seed < 140; ++seed) {
    SCOPED_TRACE(seed);
    SampleLayers samples(seed);
    const auto items = samples.layer(60);
    const std::string tar = write_tar(items);
    EXPECT_TRUE(read_tar(tar) == items);
    EXPECT_TRUE(write_tar(read_tar(tar)) == tar);
  }
}

TEST(TarWriterTest, AnEmptyLayerIsTwoBlocksOfZeros) {
  EXPECT_EQ(write_tar({}), std::string(1024, '\0'));
}

TEST(TarWriterTest, WritesAUstarHeaderWhereItFits) {
  TarItem item = file_item("dir/file", "hello");
  item.entry.uid = 1000;
  item.entry.mtime = {1'700'000'000, 0};
  const std::string header = raw_header(
      {.name = "dir/file", .size = 5, .mode = "0000644", .uid = "0001750", .mtime = "14524770400"});
  EXPECT_EQ(write_one(item), header + padded("hello") + tar_end());
}

TEST(TarWriterTest, WritesPaxRecordsOnlyWhereUstarCannotSayIt) {
  EXPECT_FALSE(uses_pax(file_item(std::string(100, 'n'))));
  EXPECT_TRUE(uses_pax(file_item(std::string(101, 'n'))));
  EXPECT_FALSE(uses_pax(file_item(std::string(155, 'p') + "/" + std::string(100, 'n'))));
  EXPECT_TRUE(uses_pax(file_item(std::string(156, 'p') + "/" + std::string(100, 'n'))));
  TarItem item = file_item("f");
  item.entry.uid = 2097151;
  item.entry.mtime = {8'589'934'591, 0};
  EXPECT_FALSE(uses_pax(item));
  item.entry.uid = 2097152;
  EXPECT_TRUE(uses_pax(item));
  for (const Timestamp time : {Timestamp{1, 1}, Timestamp{-1, 0}, Timestamp{8'589'934'592, 0}}) {
    item = file_item("f");
    item.entry.mtime = time;
    EXPECT_TRUE(uses_pax(item));
  }
}

TEST(TarWriterTest, PaxRecordsStandInOneHeaderSorted) {
  TarItem item = file_item("d/f");
  item.entry.mtime = {-2, 500'000'000};
  item.entry.gid = 3'000'000;
  item.entry.xattrs = {{"user.b", std::string("\0\n", 2)}, {"user.a", ""}};
  const std::string records = pax_record("gid", "3000000") + pax_record("mtime", "-1.5") +
                              pax_record("SCHILY.xattr.user.a", "") +
                              pax_record("SCHILY.xattr.user.b", std::string("\0\n", 2));
  const std::string expected =
      raw_member({.name = "PaxHeaders/f", .type = 'x'}, records) + raw_header({.name = "d/f"});
  EXPECT_EQ(write_one(item), expected + tar_end());
}

TEST(TarWriterTest, SizesAbove8GiBGoIntoARecord) {
  TarItem item = file_item("f");
  item.entry.size = std::uint64_t{1} << 33U;
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  MemorySource nothing("");
  expect_error(Errc::Integrity, "writing tar entry 'f': it ends after 0 of 8589934592 bytes",
               [&] { writer->add(item.entry, nothing); });
  writer->finish();
  EXPECT_EQ(tar.substr(512, 19), "19 size=8589934592\n");
}

TEST(TarWriterTest, WhiteoutsAndOpaqueMarkersHaveNothingButAName) {
  TarItem whiteout;
  whiteout.entry.path = RelPath::parse("d/x");
  whiteout.entry.hides = Hides::Path;
  whiteout.entry.mode = 0777;
  whiteout.entry.uid = 5;
  whiteout.entry.mtime = {5, 5};
  TarItem opaque = whiteout;
  opaque.entry.path = RelPath::parse("d");
  opaque.entry.hides = Hides::Below;
  opaque.entry.type = FileType::Directory;
  EXPECT_EQ(write_tar({whiteout, opaque}),
            raw_header({.name = "d/.wh.x", .mode = "0000000"}) +
                raw_header({.name = "d/.wh..wh..opq", .mode = "0000000"}) + tar_end());
}

TEST(TarWriterTest, LowersTimesToTheClamp) {
  TarItem item = file_item("f");
  const auto mtime = [&item](Timestamp time) {
    item.entry.mtime = time;
    return read_tar(write_one(item, {.clamp_mtime = 100})).front().entry.mtime;
  };
  EXPECT_EQ(mtime({101, 0}), (Timestamp{100, 0}));
  EXPECT_EQ(mtime({100, 5}), (Timestamp{100, 0}));
  EXPECT_EQ(mtime({99, 5}), (Timestamp{99, 5}));
}

TEST(TarWriterTest, TheRootIsADirectoryNamedDotSlash) {
  TarItem root;
  root.entry.type = FileType::Directory;
  root.entry.mode = 0755;
  EXPECT_EQ(write_one(root).substr(0, 3), std::string("./\0", 3));
  root.entry.type = FileType::Symlink;
  root.entry.symlink_target = "x";
  expect_error(Errc::Invalid, "the root is not a directory", [&] { write_one(root); });
}

TEST(TarWriterTest, RefusesWhatATarCannotHold) {
  for (const char* name : {".wh.x", "d/.wh.x", ".wh.d/x", ".wh..wh..opq"}) {
    expect_error(Errc::Invalid, "reserved for whiteouts", [&] { write_one(file_item(name)); });
  }
  TarItem item = file_item("d/.wh.x");
  item.entry.hides = Hides::Path;
  expect_error(Errc::Invalid, "writing tar entry 'd/.wh.x'", [&] { write_one(item); });
  item = file_item("s");
  item.entry.type = FileType::Socket;
  expect_error(Errc::Invalid, "a tar cannot hold sockets", [&] { write_one(item); });
  item.entry.type = FileType::Symlink;
  expect_error(Errc::Invalid, "its target '' is not a path", [&] { write_one(item); });
  item = file_item("f");
  item.entry.xattrs = {{"user.a=b", "c"}};
  expect_error(Errc::Unsupported, "the name of xattr 'user.a=b'", [&] { write_one(item); });
  item = file_item("c");
  item.entry.type = FileType::CharDevice;
  item.entry.device_minor = 010000000;
  expect_error(Errc::Invalid, "the device number 2097152 is too large", [&] { write_one(item); });
}

TEST(TarWriterTest, RefusesContentsOfAnotherSize) {
  TarItem item = file_item("f", "hello");
  item.entry.size = 6;
  expect_error(Errc::Integrity, "writing tar entry 'f': it ends after 5 of 6 bytes",
               [&] { write_one(item); });
  item.entry.size = 4;
  expect_error(Errc::Integrity, "writing tar entry 'f': it is longer than its 4 bytes",
               [&] { write_one(item); });
}

TEST(TarWriterTest, LibarchiveReadsTheSame) {
  SampleLayers samples(5);
  std::vector<TarItem> items = samples.layer(200);
  // Its hard links must exist and it decodes names by locale: compare what does not depend on them.
  std::erase_if(items, [](const TarItem& item) {
    return item.entry.hides != Hides::Nothing || item.entry.hard_link_target;
  });
  for (std::size_t i = 0; i < items.size(); ++i) {
    // It rounds times before the epoch towards it.
    if (items[i].entry.mtime.seconds < 0) items[i].entry.mtime.nanoseconds = 0;
    items[i].entry.path = RelPath::parse(std::string(i % 130, 'd') + "/" + std::to_string(i));
  }
  const std::string tar = write_tar(items);
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(),
                                                                      &archive_read_free);
  archive_read_support_format_tar(reader.get());
  ASSERT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK);
  for (const TarItem& item : items) {
    archive_entry* entry = nullptr;
    ASSERT_GE(archive_read_next_header(reader.get(), &entry), ARCHIVE_WARN)
        << archive_error_string(reader.get());
    const bool directory = item.entry.type == FileType::Directory;
    EXPECT_EQ(archive_entry_pathname(entry), item.entry.path.str() + (directory ? "/" : ""));
    EXPECT_EQ(archive_entry_perm(entry), item.entry.mode);
    EXPECT_EQ(archive_entry_uid(entry), item.entry.uid);
    EXPECT_EQ(archive_entry_mtime(entry), item.entry.mtime.seconds);
    EXPECT_EQ(archive_entry_xattr_count(entry), static_cast<int>(item.entry.xattrs.size()));
    std::string contents(item.contents.size(), '\0');
    EXPECT_EQ(archive_read_data(reader.get(), contents.data(), contents.size()),
              static_cast<la_ssize_t>(contents.size()));
    EXPECT_TRUE(contents == item.contents);
  }
}

TEST(TarWriterTest, ReadsWhatLibarchiveWrites) {
  for (const int format :
       {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FORMAT_TAR_GNUTAR}) {
    std::string tar(1 << 20, '\0');
    std::size_t used = 0;
    const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(),
                                                                         &archive_write_free);
    archive_write_set_format(writer.get(), format);
    ASSERT_EQ(archive_write_open_memory(writer.get(), tar.data(), tar.size(), &used), ARCHIVE_OK);
    const std::string name = std::string(120, 'd') + "/" + std::string(90, 'f');
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0640);
    archive_entry_set_uid(entry.get(), 200'000);
    archive_entry_set_mtime(entry.get(), 1'600'000'000, 0);
    archive_entry_set_size(entry.get(), 5);
    ASSERT_EQ(archive_write_header(writer.get(), entry.get()), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(writer.get(), "hello", 5), 5);
    ASSERT_EQ(archive_write_close(writer.get()), ARCHIVE_OK);
    tar.resize(used);
    const auto items = read_tar(tar);
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].entry.path.str(), name);
    EXPECT_EQ(items[0].entry.mode, 0640U);
    EXPECT_EQ(items[0].entry.uid, 200'000U);
    EXPECT_EQ(items[0].entry.mtime, (Timestamp{1'600'000'000, 0}));
    EXPECT_EQ(items[0].contents, "hello");
  }
}

TEST(TarWriterTest, AgreesWithGnuTar) {
  const TempDir dir;
  make_dir_at(dir.fd(), "in", 0755);
  const Fd in = open_dir_at(dir.fd(), "in");
  make_dirs(dir.path("in/") + std::string(150, 'd') + "/" + std::string(150, 'e'), 0751);
  make_symlink_at(std::string(180, 't') + "/x", in.get(), "link");
  write_all(open_at(in.get(), "file", O_CREAT | O_WRONLY, 0640).get(), "contents", "file");
  // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c): a test program of one thread
  const auto run = [](const std::string& command) { return std::system(command.c_str()); };
  if (run("tar --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "GNU tar is not installed";
  std::string first;
  for (const std::string format : {"gnu", "posix", "oldgnu"}) {
    SCOPED_TRACE(format);
    const std::string tar = dir.path(format + ".tar");
    ASSERT_EQ(
        run("tar --sort=name --format=" + format + " -C " + dir.path("in") + " -cf " + tar + " ."),
        0);
    const Fd file = open_at(AT_FDCWD, tar, O_RDONLY);
    FdSource source(file.get(), tar);
    const std::string rewritten = write_tar(read_tar(source));
    write_all(open_at(AT_FDCWD, tar + ".out", O_CREAT | O_WRONLY, 0600).get(), rewritten, "out");
    EXPECT_EQ(run("tar -C " + dir.path("in") + " -df " + tar + ".out"), 0);
  }
}

}  // namespace
}  // namespace layerkit
