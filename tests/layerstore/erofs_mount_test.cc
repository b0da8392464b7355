// What the kernel shows of an index beside what unpacking the same tar leaves on disk.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "erofs_indexes.h"
#include "expect_error.h"
#include "layer_model.h"
#include "layer_stack.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/compression.h"
#include "odd_tars.h"
#include "random_layers.h"
#include "sample_layer.h"

namespace layerkit::testing {
namespace {

/// A directory that is not in memory, where the other one may be: Linux mounts no image that lies
/// on a tmpfs.
class DiskDir {
 public:
  DiskDir() {
    if (::mkdtemp(path_.data()) == nullptr) fail_errno(errno, "creating a temporary directory");
    fd_ = open_dir_at(AT_FDCWD, path_);
  }
  DiskDir(const DiskDir&) = delete;
  DiskDir& operator=(const DiskDir&) = delete;
  ~DiskDir() {
    try {
      remove_tree_at(AT_FDCWD, path_);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a test left a mount; it fails itself
    }
  }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  int fd() const { return fd_.get(); }

 private:
  std::string path_ = "/var/tmp/layerkit-test-XXXXXX";
  Fd fd_;
};

int mount_index(const std::string& index, const std::string& data, const std::string& target) {
  const std::string options = "device=" + data;
  const int result = ::mount(index.c_str(), target.c_str(), "erofs", MS_RDONLY, options.c_str());
  return result == 0 ? 0 : errno;
}

/// Layers as indexes, each mounted.
class IndexStack {
 public:
  IndexStack() = default;
  IndexStack(const IndexStack&) = delete;
  IndexStack& operator=(const IndexStack&) = delete;
  ~IndexStack() {
    for (const std::string& target : targets_)
      ::umount2(target.c_str(), MNT_DETACH);
  }

  /// `data` holds the tar at `offset`, on disk as `data_name` already.
  void apply(const std::string& data_name,
             const Fd& data,
             std::uint64_t offset,
             std::uint64_t size,
             const Tree& lower) {
    const std::string name = fmt::format("{}", count_++);
    const Fd index = open_at(disk_.fd(), name + ".erofs", O_RDWR | O_CREAT | O_EXCL, 0600);
    FileRangeSource source(data.get(), offset, size, data_name);
    ErofsIndexOptions options;
    options.data_offset = offset;
    const TarBytes bytes = [&](std::uint64_t at, std::uint64_t length) {
      return std::make_unique<FileRangeSource>(data.get(), offset + at, length, data_name);
    };
    const auto temporary = std::make_shared<const Fd>(open_dir_at(disk_.fd(), "."));
    facts_ =
        write_erofs_index(source, lower, bytes, index.get(), temporary, Context(), options).facts;
    make_dir_at(disk_.fd(), name, 0755);
    const int err =
        mount_index(disk_.path(name + ".erofs"), disk_.path(data_name), disk_.path(name));
    if (err != 0) fail_errno(err, "mounting the index of a layer");
    targets_.push_back(disk_.path(name));
    if (facts_.hides_everything_below) shown_.clear();
    shown_.push_back(targets_.back());
  }
  void apply(const std::string& tar, const Tree& lower) {
    const std::string name = fmt::format("{}.tar", count_);
    write_file_at(disk_.fd(), name, tar, 0600);
    apply(name, open_at(disk_.fd(), name, O_RDONLY), 0, tar.size(), lower);
  }

  const std::string& top() const { return shown_.back(); }
  const ErofsIndexFacts& facts() const { return facts_; }
  const DiskDir& disk() const { return disk_; }

  TreeDump mounted() {
    for (const char* name : {"empty", "merged"}) {
      if (!stat_at(disk_.fd(), name)) make_dir_at(disk_.fd(), name, 0755);
    }
    std::string options = "lowerdir=";
    for (auto layer = shown_.rbegin(); layer != shown_.rend(); ++layer)
      options += *layer + ":";
    options += disk_.path("empty");
    const std::string target = disk_.path("merged");
    if (::mount("overlay", target.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0) {
      fail_errno(errno, "mounting {}", options);
    }
    TreeDump dump;
    try {
      dump = DirectoryDumper::dump(target);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    ::umount2(target.c_str(), MNT_DETACH);
    return dump;
  }

 private:
  DiskDir disk_;
  ErofsIndexFacts facts_;
  std::vector<std::string> targets_;
  std::vector<std::string> shown_;  ///< base first
  int count_ = 0;
};

/// All that the kernel says of a tree, link counts included. Whiteouts are all the same.
TreeDump dump_exactly(const std::string& path) {
  TreeDump dump = DirectoryDumper::dump(path);
  for (auto& [name, line] : dump) {
    struct ::stat stat {};
    const std::string full = path + "/" + name;
    EXPECT_EQ(::lstat(full.c_str(), &stat), 0) << full;
    if (S_ISCHR(stat.st_mode) && stat.st_rdev == 0) {
      line = fmt::format("whiteout {:04o} {}:{}", stat.st_mode & 07777U, stat.st_uid, stat.st_gid);
      continue;
    }
    line += fmt::format(" links {}", stat.st_nlink);
    if (!S_ISDIR(stat.st_mode)) line += fmt::format(" size {}", stat.st_size);
  }
  return dump;
}

class ErofsMountTest : public PrivateMountsTest {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (IsSkipped()) return;
    const DiskDir disk;
    write_file_at(disk.fd(), "tar", tar_end(), 0600);
    const Indexed none = index_tar(tar_end());
    write_file_at(disk.fd(), "index", none.image, 0600);
    make_dir_at(disk.fd(), "mnt", 0755);
    const int err = mount_index(disk.path("index"), disk.path("tar"), disk.path("mnt"));
    if (err == ENODEV || err == ENOTBLK || err == EPERM) {
      GTEST_SKIP() << "the kernel mounts no EROFS image from a plain file: " << errno_text(err);
    }
    ASSERT_EQ(err, 0) << errno_text(err);
    ASSERT_EQ(::umount2(disk.path("mnt").c_str(), 0), 0);
    use_memory_for_files();
  }
};

LayerItems items_of(const std::string& tar) {
  LayerItems items;
  for (TarItem& item : read_tar(tar))
    items.push_back({std::move(item.entry), std::move(item.contents)});
  return items;
}

/// Unpacks and indexes the same layer.
void apply_to_both(LayerStack& unpacked, IndexStack& indexed, const std::string& tar) {
  const Tree lower = unpacked.directories().empty() ? nullptr : unpacked.view();
  unpacked.apply(items_of(tar));
  indexed.apply(tar, lower);
  expect_same_tree(dump_exactly(indexed.top()), dump_exactly(unpacked.diff_path()),
                   "index against diff directory");
}

void expect_same(const std::vector<std::string>& tars) {
  LayerStack unpacked;
  IndexStack indexed;
  for (const std::string& tar : tars)
    apply_to_both(unpacked, indexed, tar);
  expect_same_tree(indexed.mounted(), unpacked.mounted(), "overlay of indexes");
}

TEST_F(ErofsMountTest, OneOfEverything) {
  LayerItems items;
  items.push_back(dir("").mode(0711).owner(5, 6));
  items.push_back(dir("d").mode(01777).owner(1000, 100'000).xattr("user.a", "b"));
  items.push_back(file("d/empty").mode(04711));
  items.push_back(file("d/small", "some bytes").owner(4'294'967'294, 65'536));
  items.push_back(file("d/block", std::string(512, 'b')));
  items.push_back(file("d/large", SampleLayers(1).bytes(1'000'001)).mtime(-5, 999'999'999));
  items.push_back(symlink("d/link", "small"));
  items.push_back(symlink("d/long", std::string(4095, 't')));
  items.push_back(fifo("d/fifo"));
  items.push_back(device(FileType::CharDevice, "d/char", 4095, 1'048'575));
  items.push_back(device(FileType::BlockDevice, "d/block device", 8, 257));
  items.push_back(link("d/second", "d/small"));
  items.push_back(link("third", "d/small"));
  items.push_back(link("fifo", "d/fifo"));
  expect_same({tar_of(items)});
}

TEST_F(ErofsMountTest, SymlinksOfEveryLength) {
  LayerItems items;
  for (std::size_t length = 1; length < 600; ++length)
    items.push_back(symlink(fmt::format("l{}", length), std::string(length, 'x'))
                        .xattr("trusted.t", std::string(length % 50, 'v')));
  items.push_back(symlink("m", std::string(1024, 'x')).xattr("security.s", std::string(600, 'v')));
  expect_same({tar_of(items)});
}

TEST_F(ErofsMountTest, DirectoriesOfEverySize) {
  LayerItems items;
  for (std::size_t count = 0; count < 60; ++count) {
    const std::string parent = fmt::format("d{}", count);
    items.push_back(dir(parent).xattr("user.x", std::string(count * 7, 'v')));
    for (std::size_t i = 0; i < count; ++i)
      items.push_back(fifo(fmt::format("{}/{}{}", parent, i, std::string(i % 20, 'n'))));
  }
  for (std::size_t i = 0; i < 3000; ++i)
    items.push_back(file(fmt::format("many/{}", i * 7919 % 3000), fmt::format("{}", i)));
  expect_same({tar_of(items)});
}

TEST_F(ErofsMountTest, NamesAroundTheDots) {
  LayerItems items;
  for (const char* name : {"!", "+", "-", ".a", "...", ".\x01", "/.0", "a", "\x80", "\xff", "..a",
                           "\x01", "-.", ". ", "..\xff"})
    items.push_back(file("d/" + std::string(name), name));
  items.push_back(file(std::string(255, 'n'), "long"));
  items.push_back(file("d/" + std::string(255, '\xff'), "long"));
  items.push_back(file("d/" + std::string(255, '!'), "long"));
  expect_same({tar_of(items)});
}

TEST_F(ErofsMountTest, ManyExtendedAttributes) {
  LayerItems items;
  for (int i = 0; i < 40; ++i) {
    LayerItem item = i % 2 == 0 ? file(fmt::format("f{}", i), "x") : dir(fmt::format("d{}", i));
    for (int x = 0; x < i; ++x) {
      item.entry.xattrs[fmt::format("user.{}", x)] = std::string(static_cast<std::size_t>(x), 's');
      item.entry.xattrs[fmt::format("trusted.own.{}", x)] = fmt::format("{} {}", i, x);
    }
    items.push_back(item);
  }
  items.push_back(file("large").xattr("user.large", std::string(65'535, 'l')));
  items.push_back(file("larger")
                      .xattr("user.a", std::string(60'000, 'a'))
                      .xattr("user.b", std::string(60'000, 'b'))
                      .xattr("trusted.c", std::string(60'000, 'c')));
  items.push_back(dir("d1/dir").xattr("user.k", std::string(5000, 'k')));
  items.push_back(file("c").xattr("security.capability",
                                  std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)));
  items.push_back(
      file("escaped").xattr("trusted.overlay.opaque", "y").xattr("user.overlay.redirect", "/etc"));
  expect_same({tar_of(items)});
}

/// A list of entries {tag, permissions, ID}.
std::string acl(const std::vector<std::array<std::uint32_t, 3>>& entries) {
  std::string bytes("\2\0\0\0", 4);
  const auto add = [&bytes](std::uint32_t number, int size) {
    for (int i = 0; i < size; ++i)
      bytes += static_cast<char>(number >> (8 * i) & 0xffU);
  };
  for (const auto& [tag, permissions, id] : entries) {
    add(tag, 2);
    add(permissions, 2);
    add(id, 4);
  }
  return bytes;
}

constexpr char kAccess[] = "system.posix_acl_access";
constexpr char kDefault[] = "system.posix_acl_default";

TEST_F(ErofsMountTest, AccessControlListsChangeModesAsOnDisk) {
  const std::string plain = acl({{1, 6, 0}, {4, 4, 0}, {0x20, 0, 0}});
  const std::string full =
      acl({{1, 7, 9}, {2, 6, 1000}, {2, 0, 500}, {4, 7, 0}, {8, 5, 7}, {0x10, 4, 0}, {0x20, 1, 3}});
  const std::string masked = acl({{1, 7, 0}, {4, 7, 0}, {0x10, 5, 0}, {0x20, 1, 0}});
  expect_same({tar_of({file("plain", "1").mode(04777).xattr(kAccess, plain),
                       file("full", "2").mode(02600).xattr(kAccess, full),
                       file("masked", "3").mode(0).xattr(kAccess, masked).xattr("user.x", "y"),
                       file("no entries").xattr(kAccess, acl({})), file("empty").xattr(kAccess, ""),
                       file("no default").xattr(kDefault, ""), fifo("p").xattr(kAccess, full),
                       dir("d").mode(01700).xattr(kAccess, full).xattr(kDefault, masked),
                       dir("plain d").xattr(kDefault, plain)})});
}

TEST_F(ErofsMountTest, WhatUnpackingRefusesIsRefused) {
  const std::vector<LayerItem> wrong = {
      file("f").xattr(kAccess, "x"),
      file("f").xattr(kAccess, std::string("\1\0\0\0", 4)),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {4, 4, 0}})),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {2, 6, 7}, {4, 4, 0}, {0x20, 0, 0}})),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {0x20, 0, 0}, {4, 4, 0}})),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {4, 4, 0}, {0x10, 0, 0}, {8, 0, 0}, {0x20, 0, 0}})),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {1, 6, 0}, {4, 4, 0}, {0x20, 0, 0}})),
      file("f").xattr(kAccess, acl({{1, 8, 0}, {4, 4, 0}, {0x20, 0, 0}})),
      file("f").xattr(kAccess, acl({{1, 6, 0}, {3, 4, 0}, {4, 4, 0}, {0x20, 0, 0}})),
      dir("f").xattr(kDefault,
                     acl({{1, 6, 0}, {2, 1, 0xffffffff}, {4, 4, 0}, {0x10, 0, 0}, {0x20, 0, 0}})),
      file("f").xattr(kDefault, acl({{1, 6, 0}, {4, 4, 0}, {0x20, 0, 0}})),
      symlink("f", "t").xattr(kAccess, acl({{1, 6, 0}, {4, 4, 0}, {0x20, 0, 0}})),
      file("f").xattr("system.other", "x"),
      file("f").xattr("name", "x"),
      file("f").xattr("user.", "x"),
      file("f").xattr("user." + std::string(251, 'n'), "x"),
      file("f").xattr("trusted.overlay." + std::string(239, 'n'), "x"),
      file("f").xattr("user.large", std::string(65'537, 'x')),
      symlink("f", std::string(4096, 't')),
      device(FileType::CharDevice, "f", 4096, 0),
      device(FileType::BlockDevice, "f", 0, 1'048'576),
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    SCOPED_TRACE(i);
    LayerStack unpacked;
    EXPECT_THROW(unpacked.apply({wrong[i]}), Error);
    const std::string tar = tar_of({wrong[i]});
    EXPECT_THROW(index_tar(tar), Error);
  }
}

bool is_too_large(const OddTar& tar) {
  return std::string_view(tar.name).find("8_gib") != std::string_view::npos;
}

TEST_F(ErofsMountTest, OddTarsAsTheyAre) {
  for (const OddTar& tar : odd_tars()) {
    SCOPED_TRACE(tar.name);
    if (!is_too_large(tar)) expect_same({tar.bytes});
  }
}

TEST_F(ErofsMountTest, SparseFilesOfAnyPieces) {
  SampleLayers random(7);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const std::uint64_t unit = round % 3 == 0 ? 1 : round % 3 == 1 ? 512 : 4096;
    std::string map;
    std::string data;
    std::uint64_t at = 0;
    const std::uint64_t pieces = random.below(12);
    for (std::uint64_t i = 0; i < pieces; ++i) {
      const std::uint64_t length = (1 + random.below(8)) * unit;
      at += random.below(10) * unit;
      map += fmt::format("{}{},{}", i == 0 ? "" : ",", at, length);
      data += random.bytes(length);
      at += length;
    }
    at += random.below(3) * unit + (pieces == 0 ? 1 : 0);
    const std::string tar =
        raw_file("before", "x") +
        pax_header(pax_record("GNU.sparse.size", std::to_string(at)) +
                   pax_record("GNU.sparse.numblocks", std::to_string(pieces)) +
                   pax_record("GNU.sparse.name", "sparse") + pax_record("GNU.sparse.map", map)) +
        raw_member({.name = "x"}, data) + raw_file("after", "y") + tar_end();
    expect_same({tar});
  }
}

TEST_F(ErofsMountTest, AnIndexReadsASparseFileOf8GiB) {
  constexpr std::uint64_t kSize = std::uint64_t{8} << 30U;
  for (const OddTar& tar : sparse_tars()) {
    if (!is_too_large(tar)) continue;
    IndexStack indexed;
    indexed.apply(tar.bytes, nullptr);
    EXPECT_LT(indexed.facts().index_bytes, 2U << 20U);
    const Fd file = open_at(AT_FDCWD, indexed.top() + "/s", O_RDONLY);
    ASSERT_EQ(stat_fd(file.get()).size, kSize);
    FileRangeSource end(file.get(), kSize - 513, 513, "s");
    EXPECT_EQ(read_all(end, 1000, "s"), std::string(1, '\0') + std::string(512, 'b'));
    FileRangeSource begin(file.get(), 0, 513, "s");
    EXPECT_EQ(read_all(begin, 1000, "s"), std::string(512, 'a') + std::string(1, '\0'));
  }
}

TEST_F(ErofsMountTest, ATarOfMoreThan4GiB) {
  constexpr std::uint64_t kSize = (std::uint64_t{5} << 30U) + 3;
  IndexStack indexed;
  const Fd data = open_at(indexed.disk().fd(), "data", O_RDWR | O_CREAT | O_EXCL, 0600);
  const std::string head =
      raw_header({.name = "large", .patches = {{124, base256(kSize, 12)}}}) + "begin";
  const std::string tail = "end" + std::string(509, '\0') + raw_file("after", "after") + tar_end();
  const std::uint64_t tail_at = 512 + kSize - 3;
  ASSERT_EQ(::pwrite(data.get(), head.data(), head.size(), 0), static_cast<ssize_t>(head.size()));
  ASSERT_EQ(::pwrite(data.get(), tail.data(), tail.size(), static_cast<off_t>(tail_at)),
            static_cast<ssize_t>(tail.size()));
  indexed.apply("data", data, 0, tail_at + tail.size(), nullptr);
  const Fd file = open_at(AT_FDCWD, indexed.top() + "/large", O_RDONLY);
  ASSERT_EQ(stat_fd(file.get()).size, kSize);
  FileRangeSource begin(file.get(), 0, 6, "large");
  EXPECT_EQ(read_all(begin, 100, "large"), std::string("begin\0", 6));
  FileRangeSource end(file.get(), kSize - 4, 4, "large");
  EXPECT_EQ(read_all(end, 100, "large"), std::string("\0end", 4));
  EXPECT_EQ(read_file_at(AT_FDCWD, indexed.top() + "/after", 100), "after");
}

TEST_F(ErofsMountTest, WhiteoutsAndOpaqueDirectoriesWorkInAnOverlay) {
  LayerItems base = {
      dir("gone"),           file("gone/f", "1"), file("f", "2"), dir("kept").mode(0700),
      file("kept/a", "3"),   file("kept/b", "4"), dir("opaque"),  file("opaque/old", "5"),
      file("replaced", "6"), dir("to_file")};
  LayerItems upper = {whiteout("gone"),     whiteout("f"),           whiteout("kept/a"),
                      opaque("opaque"),     file("opaque/new", "7"), dir("replaced"),
                      file("to_file", "8"), whiteout("never_there"), file("new/parent/f", "9")};
  expect_same({tar_of(base), tar_of(upper)});
}

TEST_F(ErofsMountTest, AnOpaqueRootHidesTheLayersBelow) {
  expect_same({tar_of({file("old", "1")}), tar_of({opaque(""), file("new", "2")})});
}

TEST_F(ErofsMountTest, LinksToFilesOfLowerLayersHaveTheirContents) {
  const std::string large = SampleLayers(2).bytes(200'000);
  expect_same(
      {tar_of({file("a", large).xattr("user.x", "y"), symlink("s", "a"), fifo("p"), file("e")}),
       tar_of({link("b", "a"), link("d/c", "b"), link("t", "s"), link("q", "p"), link("f", "e")})});
}

TEST_F(ErofsMountTest, RandomStacksAreWhatUnpackingThemGives) {
  constexpr std::uint64_t kStacks = 250;
  for (std::uint64_t seed = 1; seed <= kStacks && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomLayers random(seed);
    LayerModel model;
    LayerStack unpacked;
    IndexStack indexed;
    for (std::size_t layers = 1 + random.below(4); layers > 0; --layers) {
      LayerItems items;
      model.begin_layer();
      for (std::size_t left = 1 + random.below(25); left > 0;) {
        LayerItem item = random.next();
        if (!model.apply(item)) continue;
        items.push_back(std::move(item));
        --left;
      }
      model.end_layer();
      apply_to_both(unpacked, indexed, tar_of(items));
      expect_same_tree(indexed.mounted(), model.dump(), "overlay of indexes against the model");
    }
  }
}

TEST_F(ErofsMountTest, RandomLargeLayers) {
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    std::vector<TarItem> items = SampleLayers(seed).layer(250);
    std::erase_if(items, [](const TarItem& item) {
      // Links that lead nowhere, and times that no file system on disk has.
      const std::int64_t time = item.entry.mtime.seconds;
      return item.entry.hard_link_target || time < -2'000'000'000 || time > 8'000'000'000;
    });
    for (TarItem& item : items) {
      const bool plain = item.entry.type == FileType::Regular || item.entry.is_directory();
      if (!plain) item.entry.xattrs.clear();
    }
    expect_same({write_tar(items)});
  }
}

// Layers that lie in an archive as they are.

/// An archive in an archive, and what of it unpacks.
void expect_members_same(const std::string& archive) {
  MemorySource source(archive);
  const auto reader = make_tar_reader(source, TarDialect::Literal);
  IndexStack indexed;
  write_file_at(indexed.disk().fd(), "archive", archive, 0600);
  const Fd data = open_at(indexed.disk().fd(), "archive", O_RDONLY);
  int layers = 0;
  while (const auto entry = reader->next()) {
    const std::vector<TarExtent> extents = reader->extents();
    if (extents.size() != 1 || entry->size < 1024) continue;
    SCOPED_TRACE(entry->path.str());
    const std::string tar = archive.substr(extents[0].tar_offset, entry->size);
    LayerStack unpacked;
    try {
      unpacked.apply(items_of(tar));
    } catch (const Error&) {
      continue;  // no tar
    }
    indexed.apply("archive", data, extents[0].tar_offset, entry->size, nullptr);
    expect_same_tree(dump_exactly(indexed.top()), dump_exactly(unpacked.diff_path()),
                     "index of a layer in an archive");
    ++layers;
  }
  EXPECT_GT(layers, 0);
}

TEST_F(ErofsMountTest, TheArchiveAroundALayerCanBeTheDevice) {
  const std::string first = write_tar(SampleLayers(11).layer(20));
  std::vector<TarItem> items = SampleLayers(12).layer(40);
  std::erase_if(items, [](const TarItem& item) {
    return item.entry.hard_link_target || item.entry.mtime.seconds < 0 ||
           item.entry.mtime.seconds > 8'000'000'000 || !item.entry.xattrs.empty();
  });
  const std::string second = write_tar(items);
  const std::string third = pax_sparse_10("dir/s", 1'000'000) + raw_file("f", "x") + tar_end();
  const std::string archive = raw_file("manifest.json", "[]") + raw_file("a/layer.tar", second) +
                              pax_header(pax_record("path", std::string(200, 'b') + "/layer.tar")) +
                              raw_file("x", third) + raw_file("c/layer.tar", second) + tar_end();
  expect_members_same(archive);
}

TEST_F(ErofsMountTest, ALayer5GiBIntoAnArchive) {
  constexpr std::uint64_t kOffset = std::uint64_t{5} << 30U;
  const std::string tar = raw_file("f", std::string(5000, 'f')) + tar_end();
  IndexStack indexed;
  const Fd data = open_at(indexed.disk().fd(), "data", O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_EQ(::pwrite(data.get(), tar.data(), tar.size(), kOffset),
            static_cast<ssize_t>(tar.size()));
  indexed.apply("data", data, kOffset, tar.size(), nullptr);
  EXPECT_EQ(read_file_at(AT_FDCWD, indexed.top() + "/f", 10'000), std::string(5000, 'f'));
}

std::string by_descriptor(const Fd& fd) {
  return fmt::format("/proc/self/fd/{}", fd.get());
}

TEST_F(ErofsMountTest, NeitherIndexNorTarNeedsAName) {
  const Indexed made = index_layer({file("f", std::string(5000, 'f'))});
  const DiskDir disk;
  make_dir_at(disk.fd(), "mnt", 0755);
  {
    const Fd index = open_at(disk.fd(), ".", O_TMPFILE | O_RDWR, 0600);
    const Fd tar = open_at(disk.fd(), ".", O_TMPFILE | O_RDWR, 0600);
    write_all(index.get(), made.image, "index");
    write_all(tar.get(), made.tar(), "tar");
    ASSERT_EQ(mount_index(by_descriptor(index), by_descriptor(tar), disk.path("mnt")), 0);
  }
  EXPECT_EQ(read_file_at(disk.fd(), "mnt/f", 10'000), std::string(5000, 'f'));
  EXPECT_EQ(::umount2(disk.path("mnt").c_str(), 0), 0);
}

TEST_F(ErofsMountTest, TheTarMayBeInMemory) {
  const Indexed made = index_layer({file("f", std::string(5000, 'f'))});
  const DiskDir disk;
  make_dir_at(disk.fd(), "mnt", 0755);
  write_file_at(disk.fd(), "index", made.image, 0600);
  const ScratchMount memory;
  write_file_at(AT_FDCWD, memory.path("tar"), made.tar(), 0600);
  ASSERT_EQ(mount_index(disk.path("index"), memory.path("tar"), disk.path("mnt")), 0);
  EXPECT_EQ(read_file_at(disk.fd(), "mnt/f", 10'000), std::string(5000, 'f'));
  EXPECT_EQ(::umount2(disk.path("mnt").c_str(), 0), 0);
}

TEST_F(ErofsMountTest, ATarThatWasCutOffIsAnErrorToItsReaders) {
  const Indexed made = index_layer({file("f", std::string(5000, 'f'))});
  const DiskDir disk;
  make_dir_at(disk.fd(), "mnt", 0755);
  write_file_at(disk.fd(), "index", made.image, 0600);
  write_file_at(disk.fd(), "tar", made.tar().substr(0, 512), 0600);
  ASSERT_EQ(mount_index(disk.path("index"), disk.path("tar"), disk.path("mnt")), 0);
  expect_error(Errc::Io, "Input/output error", [&] { read_file_at(disk.fd(), "mnt/f", 10'000); });
  EXPECT_EQ(::umount2(disk.path("mnt").c_str(), 0), 0);
}

/// Plain bytes of a file that may be compressed; empty when it is nothing of the kind.
std::string expand(const std::string& bytes) {
  try {
    MemorySource source(bytes);
    const auto plain = make_decompressing_source(source, "a file of the corpus");
    return read_all(*plain, std::size_t{256} << 20U, "a file of the corpus");
  } catch (const Error&) {
    return {};
  }
}

/// The layers among the members of an archive, or the archive itself when it is one.
std::vector<std::string> layers_in(const std::string& archive) {
  std::vector<std::string> layers;
  try {
    for (const TarItem& item : read_tar(archive, TarDialect::Literal)) {
      const std::string plain = expand(item.contents);
      if (plain.size() < 1024) continue;
      try {
        if (!read_tar(plain).empty()) layers.push_back(plain);
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch): no layer
      }
    }
    if (layers.empty() && !read_tar(archive).empty()) layers.push_back(archive);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): no archive
  }
  return layers;
}

TEST_F(ErofsMountTest, LayersOfRealImages) {
  const char* corpus = std::getenv("LAYERKIT_CORPUS");  // NOLINT(concurrency-mt-unsafe)
  if (corpus == nullptr) GTEST_SKIP() << "LAYERKIT_CORPUS is not set";
  int compared = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(corpus)) {
    if (!file.is_regular_file()) continue;
    SCOPED_TRACE(file.path().string());
    const std::string bytes = expand(read_file_at(AT_FDCWD, file.path().string(), 1U << 28U));
    for (const std::string& layer : layers_in(bytes)) {
      LayerStack unpacked;
      try {
        unpacked.apply(items_of(layer));
      } catch (const Error&) {
        continue;  // needs the layers below it
      }
      IndexStack indexed;
      indexed.apply(layer, nullptr);
      expect_same_tree(dump_exactly(indexed.top()), dump_exactly(unpacked.diff_path()), "layer");
      ++compared;
    }
  }
  EXPECT_GT(compared, 10);
}

}  // namespace
}  // namespace layerkit::testing
