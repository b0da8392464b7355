// The bytes of an index, read back by a reader that shares nothing with the writer.

#include "layerkit/layerstore/erofs_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "erofs_indexes.h"
#include "expect_error.h"
#include "layer_model.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/whiteout.h"
#include "odd_tars.h"
#include "random_layers.h"
#include "run_command.h"

namespace layerkit::testing {
namespace {

constexpr std::uint64_t kNull = 0xffffffff;

std::uint32_t crc32c_of(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int i = 0; i < 8; ++i)
      crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82f63b78U : crc >> 1U;
  }
  return crc;
}

std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t count = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1))
    ++count;
  return count;
}

// The superblock.

TEST(ErofsIndexTest, TheSuperblockSaysHowToReadTheRest) {
  const Indexed made =
      index_layer({file("a", "some bytes").mtime(1), file("b", std::string(600, 'b')).mtime(1)});
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.super(0, 4), 0xE0F5E1E2U);
  EXPECT_EQ(image.super(8, 4), 3U) << "checksum and mtime";
  EXPECT_EQ(image.super(12, 1), 9U) << "blocks of 512 bytes";
  EXPECT_EQ(image.super(14, 2), 48U) << "the root follows the superblock's block";
  EXPECT_EQ(image.super(16, 8), 3U) << "inodes";
  EXPECT_EQ(image.super(36, 4) * 512, made.image.size());
  EXPECT_EQ(image.super(80, 4), 0xcU) << "chunks and a device table, nothing else";
  EXPECT_EQ(image.super(86, 2), 1U) << "one device besides";
  EXPECT_EQ(image.super(88, 2), 9U) << "its slot follows the superblock";
  EXPECT_EQ(image.number(1152 + 64, 4), 5U) << "blocks of the tar that are used";
  EXPECT_EQ(std::string(made.image, 0, 1024), std::string(1024, '\0'));
  EXPECT_EQ(made.facts.inodes, 3U);
  EXPECT_EQ(made.facts.index_bytes, made.image.size());
  EXPECT_EQ(made.facts.content_bytes, 610U);
  EXPECT_EQ(made.facts.copied_bytes, 0U);
}

TEST(ErofsIndexTest, TheChecksumIsThatOfTheSuperblocksBlock) {
  const Indexed made = index_layer({file("a", "x")});
  std::string block = made.image.substr(1024, 512);
  const auto stored = static_cast<std::uint32_t>(made.reader().super(4, 4));
  block.replace(4, 4, 4, '\0');
  EXPECT_EQ(stored, crc32c_of(block));
}

TEST(ErofsIndexTest, AnEmptyTarIsAnEmptyRoot) {
  for (const std::string& tar : {std::string(), tar_end()}) {
    const Indexed made = index_tar(tar);
    const auto root = made.reader().find("");
    EXPECT_EQ(root.mode, 0040755U);
    EXPECT_EQ(root.links, 2U);
    EXPECT_EQ(made.reader().names(root).size(), 2U);
  }
}

// Inodes.

TEST(ErofsIndexTest, InodesOfTheCommonTimeAreCompact) {
  const Indexed made =
      index_layer({dir("").mtime(1000, 5), file("a").mtime(1000, 5), file("b").mtime(1000, 5),
                   file("late").mtime(1000, 6), file("early").mtime(-3, 7),
                   file("owned").mtime(1000, 5).owner(65'536, 0)});
  const ErofsReader image = made.reader();
  for (const char* path : {"", "a", "b"}) {
    EXPECT_FALSE(image.find(path).extended) << path;
    EXPECT_EQ(image.find(path).mtime, 1000) << path;
    EXPECT_EQ(image.find(path).mtime_ns, 5U) << path;
  }
  EXPECT_TRUE(image.find("late").extended);
  EXPECT_EQ(image.find("late").mtime_ns, 6U);
  EXPECT_EQ(image.find("early").mtime, -3);
  EXPECT_EQ(image.find("early").mtime_ns, 7U);
  EXPECT_EQ(image.find("owned").uid, 65'536U);
}

TEST(ErofsIndexTest, TypesOwnersAndModes) {
  const Indexed made =
      index_layer({file("f").mode(06755).owner(7, 4'294'967'294), dir("d").mode(01777),
                   symlink("l", "f"), fifo("p"), device(FileType::CharDevice, "c", 1, 3),
                   device(FileType::BlockDevice, "b", 4095, 1'048'575)});
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.find("f").mode, 0106755U);
  EXPECT_EQ(image.find("f").uid, 7U);
  EXPECT_EQ(image.find("f").gid, 4'294'967'294U);
  EXPECT_EQ(image.find("d").mode, 0041777U);
  EXPECT_EQ(image.find("l").mode, 0120777U);
  EXPECT_EQ(image.find("p").mode, 0010600U);
  EXPECT_EQ(image.find("c").mode, 0020660U);
  EXPECT_EQ(image.find("c").place, 0x103U);
  EXPECT_EQ(image.find("b").mode, 0060660U);
  EXPECT_EQ(image.find("b").place, 0xffffffffU);
  const std::vector<std::pair<std::string, unsigned>> wanted = {
      {".", 2}, {"..", 2}, {"b", 4}, {"c", 3}, {"d", 2}, {"f", 1}, {"l", 7}, {"p", 5}};
  const auto names = image.names(image.find(""));
  ASSERT_EQ(names.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(names[i].first, wanted[i].first);
    EXPECT_EQ(names[i].second.type, wanted[i].second) << wanted[i].first;
  }
}

TEST(ErofsIndexTest, HardLinksAreOneInode) {
  const Indexed made = index_layer(
      {file("a", "data"), link("d/b", "a"), link("c", "d/b"), dir("d/e"), file("other", "data")});
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.find("a").nid, image.find("d/b").nid);
  EXPECT_EQ(image.find("a").nid, image.find("c").nid);
  EXPECT_EQ(image.find("a").links, 3U);
  EXPECT_NE(image.find("a").nid, image.find("other").nid);
  EXPECT_EQ(image.find("").links, 3U);
  EXPECT_EQ(image.find("d").links, 3U);
  EXPECT_EQ(made.facts.inodes, 5U);
}

TEST(ErofsIndexTest, TheLastOfSeveralEntriesCounts) {
  const Indexed made = index_layer(
      {file("a", "first"), file("b", "b"), file("a", "second one"), dir("b"), file("b/c", "c")});
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.contents(image.find("a")), "second one");
  EXPECT_EQ(image.contents(image.find("b/c")), "c");
}

// Contents.

TEST(ErofsIndexTest, ContentsAreOneChunkOfTheTar) {
  const std::string large(1'000'001, 'l');
  const Indexed made = index_layer({file("a", "x"), file("large", large), file("empty")});
  const ErofsReader image = made.reader();
  const auto inode = image.find("large");
  ASSERT_EQ(inode.layout, 4U);
  const auto chunks = image.chunks(inode);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].device, 1U);
  EXPECT_EQ(chunks[0].block * 512, made.tar().find(std::string(1000, 'l')));
  EXPECT_EQ(image.chunk_bits(inode), 11U) << "1 MiB";
  EXPECT_EQ(image.contents(inode), large);
  EXPECT_EQ(image.find("empty").layout, 0U);
  EXPECT_EQ(image.find("empty").size, 0U);
}

TEST(ErofsIndexTest, TheIndexHoldsNoContents) {
  const Indexed made = index_layer({file("a", std::string(100'000, 'a')), file("b", "content")});
  EXPECT_EQ(made.image.find("aaaa"), std::string::npos);
  EXPECT_EQ(made.image.find("content"), std::string::npos);
  EXPECT_LT(made.image.size(), 4096U);
}

TEST(ErofsIndexTest, HolesAreNullChunks) {
  const Indexed made = index_tar(old_sparse("s", 100'000, {0, 4096, 50'176}) + tar_end());
  const ErofsReader image = made.reader();
  const auto inode = image.find("s");
  const auto chunks = image.chunks(inode);
  EXPECT_EQ(image.chunk_bits(inode), 0U);
  ASSERT_EQ(chunks.size(), 196U);
  EXPECT_EQ(chunks[0].device, 1U);
  EXPECT_EQ(chunks[1].block, kNull);
  EXPECT_EQ(chunks[8].device, 1U);
  EXPECT_EQ(chunks[8].block, chunks[0].block + 1);
  EXPECT_EQ(chunks[98].block, chunks[0].block + 2);
  EXPECT_EQ(made.facts.copied_bytes, 0U);
  std::string wanted(100'000, '\0');
  for (const auto& [at, letter] :
       {std::pair(0U, 'a'), std::pair(4096U, 'b'), std::pair(50'176U, 'c')})
    wanted.replace(at, 512, 512, letter);
  EXPECT_EQ(image.contents(inode), wanted);
}

TEST(ErofsIndexTest, DataThatNoAddressReachesIsCopied) {
  const Indexed made = index_tar(pax_sparse_10("s", 1'000'000) + tar_end());
  const ErofsReader image = made.reader();
  const auto inode = image.find("s");
  EXPECT_EQ(image.contents(inode), "heads" + std::string(999'991, '\0') + "tail");
  EXPECT_GT(made.facts.copied_bytes, 0U);
  EXPECT_LT(made.image.size(), 40'000U);
  for (const auto& chunk : image.chunks(inode))
    EXPECT_EQ(chunk.device, 0U);
}

TEST(ErofsIndexTest, AFileThatIsOneHoleIsOneChunk) {
  const Indexed made = index_tar(old_sparse("s", std::uint64_t{100} << 30U, {}) + tar_end());
  const auto inode = made.reader().find("s");
  const auto chunks = made.reader().chunks(inode);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].block, kNull);
  EXPECT_EQ(inode.size, std::uint64_t{100} << 30U);
}

TEST(ErofsIndexTest, LargeFilesWithFarHolesStaySmall) {
  const std::uint64_t size = std::uint64_t{127} << 30U;
  const std::string map = fmt::format("0,512,20480,512,{},512,{},512", size / 2, size - 512);
  const Indexed made =
      index_tar(pax_header(pax_record("GNU.sparse.size", std::to_string(size)) +
                           pax_record("GNU.sparse.numblocks", "4") +
                           pax_record("GNU.sparse.name", "s") + pax_record("GNU.sparse.map", map)) +
                raw_member({.name = "x"}, std::string(2048, 's')) + tar_end());
  EXPECT_LT(made.image.size(), std::uint64_t{16} << 20U);
}

TEST(ErofsIndexTest, AddressesCountFromTheBeginningOfTheDevice) {
  const std::string tar = tar_of({file("a", std::string(700, 'a')), file("b", "b")});
  const std::string archive = raw_file("before", "x") + raw_file("layer.tar", tar) + tar_end();
  ErofsIndexOptions options;
  options.data_offset = 1536;
  const Indexed made = index_archive(archive, 1536, tar.size(), nullptr, options);
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.contents(image.find("a")), std::string(700, 'a'));
  EXPECT_EQ(image.contents(image.find("b")), "b");
  const Indexed alone = index_tar(tar);
  const auto chunk = alone.reader().chunks(alone.reader().find("a")).at(0);
  EXPECT_EQ(image.chunks(image.find("a")).at(0).block, chunk.block + 3);
}

// Data of directories and symlinks.

TEST(ErofsIndexTest, NamesAreSortedByTheirBytes) {
  const Indexed made = index_layer({file("!"), file("..."), file("a"), file("\x80"), file("A"),
                                    file(".a"), file("-"), file(".-")});
  const auto names = made.reader().names(made.reader().find(""));
  std::vector<std::string> found;
  found.reserve(names.size());
  for (const auto& [name, child] : names)
    found.push_back(name);
  const std::vector<std::string> wanted = {"!",   "-",  ".", ".-", "..",
                                           "...", ".a", "A", "a",  "\x80"};
  EXPECT_EQ(found, wanted);
}

TEST(ErofsIndexTest, DotsLeadToTheDirectoryAndItsParent) {
  const Indexed made = index_layer({dir("d"), dir("d/e")});
  const ErofsReader image = made.reader();
  const auto nids = [&](const char* path) {
    const auto names = image.names(image.find(path));
    return std::pair(names.at(0).second.nid, names.at(1).second.nid);
  };
  const std::uint64_t root = image.find("").nid;
  const std::uint64_t d = image.find("d").nid;
  EXPECT_EQ(nids(""), std::pair(root, root));
  EXPECT_EQ(nids("d"), std::pair(d, root));
  EXPECT_EQ(nids("d/e"), std::pair(image.find("d/e").nid, d));
}

TEST(ErofsIndexTest, DirectoriesOfAnySizeHaveAllNames) {
  for (std::size_t count = 0; count < 150; ++count) {
    LayerItems items;
    for (std::size_t i = 0; i < count; ++i)
      items.push_back(file(fmt::format("d/{:03}{}", i, std::string(i * 37 % 250, 'n'))));
    items.push_back(dir("d").xattr("user.x", std::string(count * 3, 'x')));
    const Indexed made = index_layer(items);
    const auto names = made.reader().names(made.reader().find("d"));
    EXPECT_EQ(names.size(), count + 2);
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end(),
                               [](const auto& a, const auto& b) { return a.first < b.first; }));
  }
}

TEST(ErofsIndexTest, SymlinksStandBehindTheirInodeOrInBlocks) {
  LayerItems items;
  for (std::size_t length : {1U, 100U, 448U, 449U, 480U, 481U, 511U, 512U, 513U, 1024U, 4095U})
    items.push_back(symlink(fmt::format("{}", length), std::string(length, 't')).mtime(1));
  const Indexed made = index_layer(items);
  const ErofsReader image = made.reader();
  for (const LayerItem& item : items) {
    const auto inode = image.find(item.entry.path.str());
    EXPECT_EQ(image.flat_data(inode), item.entry.symlink_target);
    // As Linux wants it: with the inode in one block, or in blocks of its own.
    const std::uint64_t begin = inode.nid * 32;
    EXPECT_TRUE(inode.layout != 2 || begin / 512 == (inode.behind + inode.size - 1) / 512);
    EXPECT_EQ(inode.layout, inode.size <= 480 ? 2U : 0U) << inode.size;
  }
}

// Extended attributes.

TEST(ErofsIndexTest, RepeatedXattrsStandThereOnce) {
  LayerItems items;
  for (int i = 0; i < 20; ++i)
    items.push_back(file(fmt::format("f{}", i))
                        .xattr("security.selinux", "the label of all")
                        .xattr("user.own", fmt::format("value {} of one", i)));
  const Indexed made = index_layer(items);
  EXPECT_EQ(occurrences(made.image, "the label of all"), 1U);
  EXPECT_EQ(occurrences(made.image, "of one"), 20U);
  const auto inode = made.reader().find("f7");
  EXPECT_EQ(inode.shared_xattrs, 1U);
  const std::map<std::string, std::string> wanted = {{"security.selinux", "the label of all"},
                                                     {"user.own", "value 7 of one"}};
  EXPECT_EQ(inode.xattrs, wanted);
}

TEST(ErofsIndexTest, MoreSharedXattrsThanANumberCanSay) {
  LayerItems items = {file("a"), file("b")};
  for (LayerItem& item : items) {
    for (int i = 0; i < 300; ++i)
      item.entry.xattrs[fmt::format("user.{}", i)] = "v";
  }
  const Indexed made = index_layer(items);
  for (const LayerItem& item : items) {
    const auto inode = made.reader().find(item.entry.path.str());
    EXPECT_EQ(inode.shared_xattrs, 255U);
    EXPECT_EQ(inode.xattrs, item.entry.xattrs);
  }
}

TEST(ErofsIndexTest, XattrsUpToTheLimitsOfTheFormat) {
  LayerItems items = {file("a").xattr("user.x", std::string(65'535, 'x')),
                      dir("d").xattr("trusted.y", std::string(5000, 'y'))};
  for (int i = 0; i < 4; ++i)
    items[1].entry.xattrs[fmt::format("user.{}", i)] = std::string(60'000, 'z');
  const Indexed made = index_layer(items);
  EXPECT_EQ(made.reader().find("a").xattrs, items[0].entry.xattrs);
  EXPECT_EQ(made.reader().find("d").xattrs, items[1].entry.xattrs);
  expect_error(Errc::Limit,
               "indexing '/a': storing the extended attribute 'user.x': its value has more than "
               "65535 bytes",
               [] { index_layer({file("a").xattr("user.x", std::string(65'536, 'x'))}); });
  expect_error(Errc::Limit, "indexing '/b': storing the extended attributes: they have more than",
               [] {
                 LayerItem item = file("b");
                 for (int i = 0; i < 5; ++i)
                   item.entry.xattrs[fmt::format("user.{}", i)] =
                       fmt::format("{}{}", i, std::string(60'000, 'x'));
                 index_layer({item});
               });
  expect_error(Errc::Unsupported, "indexing '/c': storing the extended attribute 'system.x'",
               [] { index_layer({file("c").xattr("system.x", "y")}); });
}

// What a layer hides.

TEST(ErofsIndexTest, WhiteoutsAreOneDeviceWithoutANumber) {
  const Tree lower = outline(tar_of({file("a"), file("d/b"), file("d/c")}), nullptr);
  const Indexed made = index_layer({whiteout("a"), whiteout("d/b"), whiteout("absent")}, lower);
  const ErofsReader image = made.reader();
  const auto inode = image.find("a");
  EXPECT_EQ(inode.mode, 0020000U);
  EXPECT_EQ(inode.place, 0U);
  EXPECT_EQ(inode.links, 2U);
  EXPECT_EQ(image.find("d/b").nid, inode.nid);
  EXPECT_EQ(image.names(image.find("")).size(), 4U);
}

TEST(ErofsIndexTest, OpaqueDirectoriesAreMarkedForOverlayfs) {
  const Tree lower = outline(tar_of({file("d/b"), file("e/c")}), nullptr);
  const LayerItems items = {
      opaque("d"), file("d/n"),
      dir("e").xattr("trusted.overlay.opaque", "y").xattr("user.overlay.x", "z")};
  const Indexed made = index_layer(items, lower);
  using Found = std::map<std::string, std::string>;
  EXPECT_EQ(made.reader().find("d").xattrs, (Found{{"trusted.overlay.opaque", "y"}}));
  EXPECT_EQ(made.reader().find("e").xattrs,
            (Found{{"trusted.overlay.overlay.opaque", "y"}, {"user.overlay.x", "z"}}));
  ErofsIndexOptions options;
  options.format = DiffFormat::overlay(OverlayXattrs::User);
  const Indexed of_user = index_tar(tar_of(items), lower, options);
  EXPECT_EQ(of_user.reader().find("d").xattrs, (Found{{"user.overlay.opaque", "y"}}));
  EXPECT_EQ(of_user.reader().find("e").xattrs,
            (Found{{"trusted.overlay.opaque", "y"}, {"user.overlay.overlay.x", "z"}}));
  EXPECT_FALSE(made.facts.hides_everything_below);
  EXPECT_TRUE(index_layer({opaque("")}, lower).facts.hides_everything_below);
}

TEST(ErofsIndexTest, LinksToLowerFilesCopyThem) {
  const Tree lower = outline(tar_of({file("a", std::string(1000, 'a')), file("e")}), nullptr);
  const Indexed made = index_layer({link("b", "a"), link("f", "e")}, lower);
  const ErofsReader image = made.reader();
  EXPECT_EQ(image.find("a").nid, image.find("b").nid);
  EXPECT_EQ(image.contents(image.find("b")), std::string(1000, 'a'));
  EXPECT_EQ(image.contents(image.find("f")), "");
  EXPECT_EQ(made.facts.copied_bytes, 1000U);
}

// What is refused.

TEST(ErofsIndexTest, WhatCannotBeIndexedIsNamed) {
  ErofsIndexOptions options;
  options.data_offset = 100;
  expect_error(Errc::Unsupported, "indexing a layer: it begins at byte 100 of its file",
               [&] { index_tar("", nullptr, options); });
  options.data_offset = 0;
  options.format = DiffFormat::aufs();
  expect_error(Errc::Unsupported, "not AUFS", [&] { index_tar("", nullptr, options); });
  expect_error(Errc::Limit, "indexing '/d/l': storing a symlink: its target has more than 4095",
               [&] {
                 options.format = DiffFormat::overlay();
                 options.limits.path_bytes = 10'000;
                 index_tar(tar_of({symlink("d/l", std::string(4096, 't'))}), nullptr, options);
               });
  expect_error(Errc::Unsupported, "indexing '/c': creating the device 4096:0",
               [] { index_layer({device(FileType::CharDevice, "c", 4096, 0)}); });
  expect_error(Errc::Invalid, "unpacking '/a/b': resolving a parent", [] {
    index_layer({file("a"), file("a/b")});
  });
}

TEST(ErofsIndexTest, NothingIsWrittenOverAnything) {
  const TempDir temp;
  write_file_at(temp.fd(), "index", "x", 0600);
  const Fd index = open_at(temp.fd(), "index", O_RDWR);
  const auto directory = std::make_shared<const Fd>(open_dir_at(AT_FDCWD, temp.path()));
  MemorySource tar("");
  expect_error(Errc::Exists, "the file for the index is not empty", [&] {
    write_erofs_index(tar, nullptr, TarBytes(), index.get(), directory, Context());
  });
  EXPECT_EQ(read_file_at(temp.fd(), "index", 100), "x");
}

/// Of a tar that claims to lie that far into a file.
Indexed index_at(std::uint64_t offset) {
  const std::string tar = tar_of({file("f", "x").mtime(1)});
  ErofsIndexOptions options;
  options.data_offset = offset;
  return index_archive(tar, 0, tar.size(), nullptr, options);
}

TEST(ErofsIndexTest, AddressesEndAt2TiB) {
  constexpr std::uint64_t kEnd = std::uint64_t{1} << 41U;
  const Indexed made = index_at(kEnd - 2048);
  const auto chunk = made.reader().chunks(made.reader().find("f")).at(0);
  EXPECT_EQ(chunk.block, 0xffffffffU - 2);
  expect_error(Errc::Limit, "indexing '/f': addressing its contents: they are more than 2 TiB",
               [] { index_at(kEnd - 1024); });
}

// The whole.

Entry entry_of(const ErofsReader& image, const ErofsReader::Inode& inode) {
  Entry entry;
  switch (inode.mode & 0170000U) {
    case 0040000:
      entry.type = FileType::Directory;
      break;
    case 0120000:
      entry.type = FileType::Symlink;
      entry.symlink_target = image.flat_data(inode);
      break;
    case 0020000:
      entry.type = FileType::CharDevice;
      break;
    case 0060000:
      entry.type = FileType::BlockDevice;
      break;
    case 0010000:
      entry.type = FileType::Fifo;
      break;
    default:
      break;
  }
  if (entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice) {
    entry.device_major = static_cast<std::uint32_t>(inode.place >> 8U & 0xfffU);
    entry.device_minor =
        static_cast<std::uint32_t>((inode.place & 0xffU) | (inode.place >> 12U & 0xfff00U));
  }
  entry.mode = static_cast<std::uint32_t>(inode.mode & 07777U);
  entry.uid = static_cast<std::uint32_t>(inode.uid);
  entry.gid = static_cast<std::uint32_t>(inode.gid);
  entry.mtime = {inode.mtime, static_cast<std::uint32_t>(inode.mtime_ns)};
  for (const auto& [name, value] : inode.xattrs) {
    const OverlayXattr xattr =
        name.starts_with("trusted.") ? decode_overlay_xattr(name) : OverlayXattr{false, name};
    if (!xattr.is_private) entry.xattrs[xattr.name] = value;
    if (xattr.is_private && xattr.name == "opaque") entry.hides = Hides::Below;
  }
  return entry;
}

/// As dump_with_links has it of a tree.
class ImageDumper {
 public:
  explicit ImageDumper(const Indexed& made) : image_(made.reader()), facts_(made.facts) {}

  TreeDump dump() {
    add("", image_.find(""));
    if (facts_.hides_everything_below) dump_[""] += " opaque";
    return dump_;
  }

 private:
  void add(const std::string& path, const ErofsReader::Inode& inode) {
    const Entry entry = entry_of(image_, inode);
    const bool whiteout = is_overlay_whiteout(entry.type, entry.device_major, entry.device_minor);
    dump_[path] = whiteout
                      ? "whiteout"
                      : describe(entry, entry.type == FileType::Regular ? image_.contents(inode)
                                                                        : std::string());
    if (entry.hides == Hides::Below) dump_[path] += " opaque";
    if (!entry.is_directory()) {
      const auto [first, added] = first_names_.try_emplace(inode.nid, path);
      if (!added && !whiteout) dump_[path] += " same file as " + first->second;
      return;
    }
    for (const auto& [name, child] : image_.names(inode)) {
      if (name == "." || name == "..") continue;
      add(path.empty() ? name : path + "/" + name, image_.inode(child.nid));
    }
  }

  ErofsReader image_;
  ErofsIndexFacts facts_;
  TreeDump dump_;
  std::map<std::uint64_t, std::string> first_names_;
};

void expect_as_outlined(const Indexed& made, const LayerTree& tree) {
  expect_same_tree(normalized(ImageDumper(made).dump()), normalized(dump_with_links(tree)),
                   "index against outline");
}

TEST(ErofsIndexTest, OddTarsAreWhatTheirOutlineIs) {
  for (const OddTar& tar : odd_tars()) {
    if (std::string_view(tar.name).find("8_gib") != std::string_view::npos) continue;
    SCOPED_TRACE(tar.name);
    expect_as_outlined(index_tar(tar.bytes), *outline(tar.bytes, nullptr));
  }
}

TEST(ErofsIndexTest, RandomStacksAreWhatTheirOutlinesAre) {
  for (std::uint64_t seed = 1; seed <= 300 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomLayers random(seed);
    LayerModel model;
    std::vector<Tree> trees;
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
      const Tree lower = trees.empty() ? nullptr : make_union_view(trees);
      const std::string tar = tar_of(items);
      const Tree wanted = outline(tar, lower);
      const Indexed made = index_tar(tar, lower);
      expect_as_outlined(made, *wanted);
      trees.push_back(made.layer);
      expect_same_tree(dump_with_links(*made.layer), dump_with_links(*wanted), "the layer");
    }
  }
}

TEST(ErofsIndexTest, TheSameLayerGivesTheSameBytes) {
  const std::string tar = write_tar(SampleLayers(5).layer(30));
  LayerItems items;
  for (TarItem& item : read_tar(tar)) {
    if (!item.entry.hard_link_target) items.push_back({item.entry, item.contents});
  }
  const Indexed first = index_layer(items);
  EXPECT_EQ(first.image, index_layer(items).image);
}

/// A change of these bytes is a change of docs/formats/erofs-index.md.
TEST(ErofsIndexTest, TheFormatIsAsItWas) {
  const Tree lower = outline(tar_of({file("gone"), file("o/x"), file("low", "lower")}), nullptr);
  LayerItems items = {dir("").mtime(9),
                      whiteout("gone"),
                      opaque("o"),
                      link("linked", "low"),
                      symlink("s", "target"),
                      symlink("long", std::string(600, 't')),
                      fifo("p"),
                      device(FileType::BlockDevice, "b", 8, 1),
                      file("x1", "1").xattr("user.a", "b").xattr("security.s", "own"),
                      file("x2", "2").xattr("user.a", "b"),
                      link("x3", "x2")};
  for (int i = 0; i < 60; ++i)
    items.push_back(file(fmt::format("many/{}", i), std::string(static_cast<std::size_t>(i), 'm')));
  const std::string tar = tar_of(items);
  const Indexed made =
      index_tar(tar.substr(0, tar.size() - 1024) + pax_sparse_10("sp", 70'000) + tar_end(), lower);
  EXPECT_EQ(Sha256::of(made.image).hex(),
            "255517b171a70f96bf2474ff372ce8b0c89e94b69216e72271a90a66cfa886ba");
}

// The tools of EROFS.

class ErofsToolsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_command("fsck.erofs") || !has_command("dump.erofs"))
      GTEST_SKIP() << "needs fsck.erofs and dump.erofs";
    LayerItems items;  // old ones read no image of less than 4 KiB at all
    for (int i = 0; i < 100; ++i)
      items.push_back(file(fmt::format("f{}", i), "x"));
    const auto result = check(index_layer(items));
    if (result.output.find("blksize 512 isn't supported") != std::string::npos)
      GTEST_SKIP() << "fsck.erofs is too old for blocks of 512 bytes (1.6 knows them)";
  }

  CommandResult check(const Indexed& made) {
    write_file_at(temp_.fd(), "index", made.image, 0600);
    write_file_at(temp_.fd(), "tar", made.tar(), 0600);
    return run_command("fsck.erofs --extract --device=" + temp_.path("tar") + " " +
                       temp_.path("index"));
  }

  TempDir temp_;
};

TEST_F(ErofsToolsTest, FsckFindsNothingWrong) {
  for (const OddTar& tar : odd_tars()) {
    if (std::string_view(tar.name).find("8_gib") != std::string_view::npos) continue;
    const auto result = check(index_tar(tar.bytes));
    EXPECT_EQ(result.exit_code, 0) << tar.name << ": " << result.output;
    EXPECT_EQ(result.output.find("<E>"), std::string::npos) << tar.name << ": " << result.output;
  }
}

TEST_F(ErofsToolsTest, FsckFindsWhatIsWrong) {
  Indexed made = index_layer({file("f", "x")});
  made.image[1024 + 100] ^= 1;
  const auto result = check(made);
  EXPECT_NE(result.output.find("invalid checksum"), std::string::npos) << result.output;
}

TEST_F(ErofsToolsTest, DumpShowsAFile) {
  check(index_layer({file("dir/name", std::string(5000, 'x')).mode(0640).owner(12, 34)}));
  const auto result = run_command("dump.erofs --device=" + temp_.path("tar") +
                                  " --path=/dir/name -e " + temp_.path("index"));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  for (const char* text : {"Size: 5000", "Uid: 12", "Gid: 34", "rw-r-----"})
    EXPECT_NE(result.output.find(text), std::string::npos) << text << ":\n" << result.output;
}

}  // namespace
}  // namespace layerkit::testing
