#include "conformance.h"

namespace layerkit::testing {
namespace {

const std::string kCapability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

TEST_P(Conformance, C26_OwnerModeCapabilityAndTimesSurviveEachOther) {
  run([this](LayerStack& stack) {
    const std::string owner = as_root() ? "0001750" : "0000000";
    apply_tar(
        stack,
        raw_header({.name = "d/", .type = '5', .mode = "0002755", .mtime = "00000000007"}) +
            with_pax(
                pax_record("SCHILY.xattr.security.capability", kCapability),
                raw_member(
                    {.name = "d/suid", .mode = "0006755", .uid = owner, .mtime = "00000000011"},
                    "x")) +
            tar_file("d/gone"));
    apply_tar(stack, tar_file("d/.wh.gone") + tar_file("e/f"));
    const TreeDump shown = stack.shown();
    // The directory's time is the last thing that is set, whiteouts included.
    EXPECT_EQ(shown.at("d"), "dir 2755 0:0 7.000000000");
    EXPECT_EQ(shown.at("d/suid"),
              fmt::format("file 6755 {}:0 9.000000000 'x' security.capability={}",
                          as_root() ? 1000 : 0, layerkit::quoted(kCapability)));
  });
}

TEST_P(Conformance, C27_TimesKeepNanosecondsAndTheirSign) {
  run([](LayerStack& stack) {
    std::string members;
    const Lines times = {"1600000000.123456789", "-1.5", "-2147483648", "8589934592",
                         "0.000000001"};
    for (const std::string& time : times)
      members +=
          with_pax(pax_record("path", "f" + time) + pax_record("mtime", time), tar_file("x"));
    apply_tar(stack, members + tar_file("z"));
    const TreeDump shown = stack.shown();
    const auto time_of = [&](const std::string& name) {
      const std::string& line = shown.at(name);
      return line.substr(14, line.find(' ', 14) - 14);
    };
    EXPECT_EQ(time_of("f1600000000.123456789"), "1600000000.123456789");
    EXPECT_EQ(time_of("f-1.5"), "-2.500000000");
    EXPECT_EQ(time_of("f-2147483648"), "-2147483648.000000000");
    EXPECT_EQ(time_of("f8589934592"), "8589934592.000000000");
    EXPECT_EQ(time_of("f0.000000001"), "0.000000001");
  });
}

TEST_P(Conformance, C28_OwnersThatTheKernelWouldTakeForRootAreErrors) {
  run([this](LayerStack& stack) {
    for (const std::string id :
         {"4294967295", "4294967296", "4294967301", "18446744073709551615"}) {
      expect_refused(stack, with_pax(pax_record("uid", id), tar_file("x")), Errc::Invalid, "uid");
      expect_refused(stack, with_pax(pax_record("gid", id), tar_file("x")), Errc::Invalid, "gid");
    }
    if (!as_root()) return;
    apply_tar(stack, with_pax(pax_record("uid", "4294967294") + pax_record("gid", "2097152") +
                                  pax_record("uname", "root") + pax_record("gname", "root"),
                              tar_file("x")));
    EXPECT_EQ(stack.shown().at("x"), "file 0644 4294967294:2097152 0.000000000 ''");
  });
}

TEST_P(Conformance, C29_OnlySchilyXattrsAreXattrs) {
  run([](LayerStack& stack) {
    apply_tar(
        stack,
        with_pax(
            pax_record("SCHILY.xattr.user.a", "1") + pax_record("LIBARCHIVE.xattr.user.b", "Mg==") +
                pax_record("SCHILY.acl.access", "user::rwx,group::rwx,other::rwx") +
                pax_record("SCHILY.fflags", "immutable") + pax_record("RHT.security.selinux", "x"),
            tar_file("f")));
    EXPECT_EQ(stack.shown().at("f"), "file 0644 0:0 0.000000000 '' user.a='1'");
  });
}

TEST_P(Conformance, C30_OverlayXattrsOfALayerAreDataAndNeverObeyed) {
  run([this](LayerStack& stack) {
    const std::string space = as_root() ? "trusted.overlay." : "user.overlay.";
    const auto smuggled = [&](const char* key, const std::string& value) {
      return pax_record("SCHILY.xattr." + space + key, value);
    };
    apply_tar(stack, tar_file("secret/f", "x") + tar_file("d/kept") + tar_file("w", "below"));
    apply_tar(stack, with_pax(smuggled("opaque", "y"), tar_dir("d")) +
                         with_pax(smuggled("redirect", "/secret"), tar_dir("e")) +
                         with_pax(smuggled("whiteout", "y"), tar_file("w")) +
                         with_pax(smuggled("metacopy", "") + smuggled("redirect", "/secret/f"),
                                  tar_file("m")));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"d", "d/kept", "e", "m", "secret", "secret/f", "w"}));
    EXPECT_TRUE(shown.at("d").ends_with(" " + space + "opaque='y'")) << shown.at("d");
    EXPECT_TRUE(shown.at("w").ends_with(" '' " + space + "whiteout='y'")) << shown.at("w");
    EXPECT_NE(shown.at("m").find(" '' "), std::string::npos) << shown.at("m");
    // And they come back as they were.
    const auto reader =
        make_diff_reader(stack.diff_fd(), stack.lower_view(), stack.context(), stack.format());
    while (const auto entry = reader->next()) {
      if (entry->path != RelPath::parse("e")) continue;
      EXPECT_EQ(entry->xattrs, (Xattrs{{space + "redirect", "/secret"}}));
    }
  });
}

TEST_P(Conformance, C31_WhiteoutDevicesAreRefusedAndOthersMadeOrLeftOut) {
  run([this](LayerStack& stack) {
    apply_tar(stack, tar_file("victim") + tar_file("null", "below"));
    expect_refused(stack, raw_header({.name = "victim", .type = '3'}), Errc::Invalid,
                   "it is a 0:0 character device");
    apply_tar(stack, raw_header({.name = "null",
                                 .type = '3',
                                 .mode = "0000666",
                                 .device_major = "0000001",
                                 .device_minor = "0000003"}));
    const TreeDump shown = stack.shown();
    if (as_root()) {
      EXPECT_EQ(shown.at("null"), "char 0666 0:0 0.000000000 1:3");
    } else {
      EXPECT_EQ(paths_of(shown), Lines{"victim"});
      EXPECT_EQ(stack.warnings(),
                Lines{"devices that this user may not make were left out: 'null'"});
    }
  });
}

TEST_P(Conformance, C32_UserXattrsWhereTheyCannotBeAreDroppedAloud) {
  run([](LayerStack& stack) {
    apply_tar(stack, with_pax(pax_record("SCHILY.xattr.user.k", "v"), tar_symlink("s", "x")));
    EXPECT_EQ(stack.shown().at("s"), "symlink 0777 0:0 0.000000000 -> 'x'");
    ASSERT_EQ(stack.warnings().size(), 1U);
    EXPECT_NE(stack.warnings()[0].find("'user.k of s'"), std::string::npos) << stack.warnings()[0];
  });
}

TEST_P(Conformance, C33_FifosAreKeptAndCapabilitiesKeepTheirBytes) {
  run([](LayerStack& stack) {
    apply_tar(stack, raw_header({.name = "p", .type = '6'}) +
                         with_pax(pax_record("SCHILY.xattr.security.capability", kCapability),
                                  tar_file("f", "x")));
    EXPECT_TRUE(stack.shown().at("p").starts_with("fifo "));
    // In a user namespace the kernel stores another version; it must not get into a layer.
    const auto reader = make_diff_reader(stack.diff_fd(), nullptr, stack.context(), stack.format());
    Xattrs found;
    while (const auto entry = reader->next()) {
      if (entry->path == RelPath::parse("f")) found = entry->xattrs;
    }
    EXPECT_EQ(found, (Xattrs{{"security.capability", kCapability}}));
  });
}

TEST_P(Conformance, C34_HolesOfSparseFilesAreHolesOnDisk) {
  run([](LayerStack& stack) {
    const std::uint64_t size = std::uint64_t{256} << 20;
    const std::string map = fmt::format("1\n{}\n{}\n", size - 5, 5);
    const std::string records = pax_record("GNU.sparse.major", "1") +
                                pax_record("GNU.sparse.minor", "0") +
                                pax_record("GNU.sparse.name", "big") +
                                pax_record("GNU.sparse.realsize", std::to_string(size));
    // Read as a stream: the file is too much for a text.
    const std::string tar =
        with_pax(records, raw_member({.name = "x"}, padded(map) + "tail!")) + tar_end();
    MemorySource source(tar);
    const auto reader = make_tar_reader(source, TarDialect::Layer);
    make_dir_at(stack.temp().fd(), "sparse", 0755);
    const auto writer = make_diff_writer(open_dir_at(stack.temp().fd(), "sparse"), nullptr,
                                         stack.context(), stack.format());
    copy_layer(*reader, *writer, stack.context());
    const auto stat = stat_at(AT_FDCWD, stack.temp().path("sparse/big"));
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->size, size);
    EXPECT_LT(stat->blocks, 100U);
  });
}

}  // namespace
}  // namespace layerkit::testing
