"""Looking into images and making images of others: archives, layouts and the store, by an ordinary
user where that is possible. What is right is told by tarfile, GNU tar and umoci."""
import io
import json
import os
import shutil
import subprocess
import tarfile

import harness
import image_fixture
import small_images
from harness import IMAGETOOL, run
from image_fixture import archive_layers

LAYERS = [
    small_images.layer(
        ("etc", None), ("etc/a", b"one"), ("etc/b", "-> etc/a"), ("usr", None), ("usr/lib", None),
        ("usr/lib/x", b"library"), ("lib", "~> usr/lib"), ("data", None), ("data/d1", b"1"),
        ("data/d2", b"22"), ("gone", b"333"), ("odd\x1bname", b"")),
    small_images.layer(
        ("etc/c", "-> etc/b"), (".wh.gone", b""), ("data", None), ("data/.wh..wh..opq", b""),
        ("data/d3", b"4444")),
    small_images.layer(("etc", None), ("etc/a", b"two!"), ("data/.wh.d3", b""), ("etc/abs", "~> /usr/lib")),
    small_images.layer(("new", None), ("new/file", b"55555"), ("new/link", "-> new/file")),
]


class ImageContentsTest(image_fixture.ImageTestCase):
    layers = LAYERS

    def listed(self, image):
        rows = self.as_nobody("ls", "-R", "--format", "json", image).stdout.splitlines()
        return {row["Path"]: row for row in map(json.loads, rows)}

    def test_ls_tells_what_is_there(self):
        wanted = self.applied(LAYERS)
        del wanted[b"."]
        listed = self.listed(self.archive)
        self.assertEqual({os.fsencode(path[1:]) for path in listed}, set(wanted))
        for path, row in listed.items():
            record = wanted[os.fsencode(path[1:])]
            self.assertEqual(int(row["Mode"], 8), int(record["mode"], 8) & 0o7777, path)
            self.assertEqual((row["UID"], row["GID"]), (str(record["uid"]), str(record["gid"])))
            self.assertEqual(int(row["Size"]), record.get("size", 0), path)
            self.assertEqual(row["Target"], os.fsdecode(record.get("target", b"")))

    def test_ls_follows_links_inside_the_image_and_escapes(self):
        self.assertEqual(self.as_nobody("ls", self.archive, "/lib").stdout, "x\n")
        self.assertEqual(self.as_nobody("ls", self.archive, "/etc/abs/").stdout, "x\n")
        self.assertIn("-> usr/lib", self.as_nobody("ls", "-l", self.archive, "/lib").stdout)
        self.assertIn("odd\\x1bname\n", self.as_nobody("ls", self.archive).stdout)
        self.assertEqual(self.as_nobody("ls", "-d", self.archive, "/etc").stdout, "/etc\n")

    def test_names_that_are_not_utf8(self):
        odd = self.path("odd.tar")
        small_images.write_archive(odd, "odd:1", [
            small_images.layer(("caf\udce9", b"1"), ("link", "~> caf\udce9")), small_images.layer((".wh.caf\udce9", b""))])
        os.chmod(odd, 0o644)
        rows = [json.loads(row) for row in
                self.as_nobody("ls", "--format", "json", odd).stdout.splitlines()]
        self.assertEqual([(r["Path"], r["Target"]) for r in rows], [("/link", "caf\\xe9")])
        changes = self.as_nobody("diff", "--format", "json", odd, self.archive).stdout.splitlines()
        self.assertTrue(any(json.loads(c)["Path"] == "/link" for c in changes))
        explained = self.as_nobody("explain", "--format", "json", odd, os.fsdecode(b"caf\xe9")).stdout
        self.assertIn("/caf\\\\xe9", explained)

    def test_cat_and_tree(self):
        self.assertEqual(self.as_nobody("cat", self.archive, "etc/a", "/etc/c", "lib/x").stdout, "two!onelibrary")
        drawn = self.as_nobody("tree", self.archive, "/new").stdout
        self.assertEqual(drawn, "/new\n├── file\n└── link\n\n0 directories, 2 files\n")

    def test_every_kind_of_source_reads_the_same(self):
        wanted = self.as_nobody("ls", "-lR", self.archive).stdout
        store = harness.Store(self.path("store"))
        store("load", "-i", self.archive)
        self.assertEqual(store("ls", "-lR", "app:1").stdout, wanted)
        self.assertEqual(store("layers", "app:1").stdout, self.as_nobody("layers", self.archive).stdout)
        self.assertEqual(store("explain", "app:1", "data/d1").stdout,
                         self.as_nobody("explain", self.archive, "data/d1").stdout)
        for form, name in (("oci-archive", "out.oci"), ("oci", "out.dir")):
            for compress in ("gzip", "zstd", "none"):
                path = f"{self.temporary}/{name}"
                self.as_nobody("squash", "--last", "1", self.archive, "-t", f"{form}:{path}:app:1",
                               "--compress", compress)
                for source in (path, f"{form}:{path}", f"{form}:{path}:app:1", f"{form}:{path}:@0"):
                    self.assertEqual(self.as_nobody("ls", "-lR", source).stdout, wanted, source)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

    def test_layers_are_counted_as_tarfile_counts_them(self):
        rows = [json.loads(row) for row in
                self.as_nobody("layers", "--no-human", "--format", "json", self.archive).stdout.splitlines()]
        self.assertEqual(len(rows), len(LAYERS))
        for row, content in zip(rows, LAYERS):
            members = list(tarfile.open(fileobj=io.BytesIO(content)))
            self.assertEqual(int(row["Entries"]), len(members))
            self.assertEqual(int(row["Size"]), sum(m.size for m in members if m.isreg()))
            self.assertEqual(int(row["TarSize"]), len(content))
        changes = [tuple(int(row[f]) for f in ("Added", "Changed", "Removed")) for row in rows]
        # d1 and d2 are hidden by the opaque directory; etc/c takes etc/b and its other name with it.
        self.assertEqual(changes[0], (12, 0, 0))
        self.assertEqual(changes[1][2], 3)
        self.assertEqual(changes[2], (1, 1, 1))
        self.assertEqual(changes[3], (3, 0, 0))

    def test_explain_tells_every_version(self):
        def story(path):
            rows = self.as_nobody("explain", "--format", "{{.Layer}} {{.Event}} {{.Details}}", self.archive, path)
            return rows.stdout.splitlines()
        self.assertEqual(story("/etc/a"), ["1 added ", "3 changed size"])
        self.assertEqual(story("gone"), ["1 added ", "2 removed whiteout at /gone"])
        self.assertEqual(story("data/d1"), ["1 added ", "2 removed opaque directory at /data"])
        self.assertEqual(story("data/d3"), ["2 added ", "3 removed whiteout at /data/d3"])
        self.assert_fails(self.as_nobody("explain", self.archive, "nothing", check=False), "'nothing'")

    def test_diff_tells_what_two_images_differ_in(self):
        other = self.path("other.tar")
        small_images.write_archive(other, "app:2", LAYERS[:3] + [small_images.layer(
            (".wh.usr", b""), ("etc", None), ("etc/c", b"tno"), ("more", None), ("more/file", b"6"))])
        os.chmod(other, 0o644)
        # etc/c was a name of etc/b, of the same size.
        self.assertEqual(self.as_nobody("diff", self.archive, other).stdout.splitlines(), [
            "C /etc/c (contents)", "A /more", "A /more/file", "D /new", "D /usr"])
        rows = [json.loads(row) for row in
                self.as_nobody("diff", "--format", "json", self.archive, other).stdout.splitlines()]
        self.assertEqual([(r["Kind"], r["Path"]) for r in rows],
                         [("C", "/etc/c"), ("A", "/more"), ("A", "/more/file"), ("D", "/new"), ("D", "/usr")])
        self.assertEqual(rows[2]["After"]["Size"], "1")
        self.assertEqual(self.as_nobody("diff", self.archive, self.archive).stdout, "")

    def test_squash_keeps_the_tree_and_the_history(self):
        wanted = self.applied(LAYERS)
        for begin in range(1, len(LAYERS) + 1):
            for end in range(begin, len(LAYERS) + 1):
                layers, config = self.rewrite(
                    "squash", self.archive, "--from", str(begin), "--to", str(end))
                self.assertEqual(len(layers), len(LAYERS) - (end - begin))
                self.assertEqual(layers[:begin - 1], LAYERS[:begin - 1])
                self.assertEqual(layers[begin:], LAYERS[end:])
                self.assert_same(wanted, self.applied(layers))
                self.assertEqual(config["config"], {"Cmd": ["/bin/sh"]})

    def test_flatten_keeps_the_tree(self):
        layers, config = self.rewrite("flatten", self.archive)
        self.assert_same(self.applied(LAYERS), self.applied(layers))
        self.assertEqual(len(layers), 1)
        self.assertEqual(len(config["history"]), 1)
        members = {m.name: m for m in tarfile.open(fileobj=io.BytesIO(layers[0]))}
        self.assertEqual([n for n in members if ".wh." in n], [])
        self.assertTrue(members["new/link"].islnk())

    def test_umoci_unpacks_the_same_tree(self):
        if shutil.which("umoci") is None:
            self.skipTest("needs umoci")
        for command in (["flatten"], ["squash"], ["squash", "--last", "2"]):
            layout = self.temporary + "/out.layout"
            self.as_nobody(*command, self.archive, "-t", f"oci:{layout}:app:2")
            bundle = self.path("bundle")
            run("umoci", "unpack", "--image", f"{layout}:2", bundle)
            found, wanted = harness.tree(bundle + "/rootfs"), self.applied(LAYERS)
            del found[b"."], wanted[b"."]
            for record in (*found.values(), *wanted.values()):
                if int(record["mode"], 8) & 0o170000 == 0o040000:
                    del record["mtime_ns"]  # umoci gives directories that a later layer touches its own
            self.assert_same(wanted, found)
            shutil.rmtree(bundle)
            shutil.rmtree(layout)

    def test_rm_path_leaves_nothing_of_it(self):
        layers, _ = self.rewrite("rm-path", self.archive, "/etc/a", "data")
        wanted = self.applied(LAYERS)
        kept = {n: r for n, r in wanted.items() if n != b"etc/a" and n.split(b"/")[0] != b"data"}
        found = self.applied(layers)
        self.assert_same(kept, found)
        for content in layers:
            names = [m.name for m in tarfile.open(fileobj=io.BytesIO(content))]
            self.assertFalse([n for n in names if n == "etc/a" or n.startswith("data")], names)
        # The file that lost its first name is still one file with two.
        self.assertIn(b"etc/b", found)
        self.assert_fails(self.as_nobody("rm-path", self.archive, "none", "-t", "x:1", check=False), "'/none'")
        self.assert_fails(self.as_nobody("rm-path", self.archive, "/", "-t", "x:1", check=False), "root")

    def test_rm_path_of_a_link_that_layers_above_go_through(self):
        image = self.path("linked.tar")
        small_images.write_archive(image, "linked:1", [
            small_images.layer(("usr", None), ("usr/lib", None), ("usr/lib/foo", b"secret"), ("lib", "~> usr/lib")),
            small_images.layer(("lib/bar", b"1")), small_images.layer(("lib/.wh.foo", b""))])
        os.chmod(image, 0o644)
        out = self.temporary + "/out.tar"
        self.assert_fails(self.as_nobody("rm-path", image, "lib", "-t", "docker-archive:" + out, check=False),
                          "'/lib'", "layer 2 would have it again")
        self.assertFalse(os.path.exists(out))

    def test_drop_and_rebase(self):
        layers, _ = self.rewrite("drop", self.archive, "4")
        self.assertEqual(layers, LAYERS[:3])
        refused = self.as_nobody("drop", self.archive, "1", "-t", f"docker-archive:{self.temporary}/out2.tar",
                                 check=False)
        # The second layer links to a file of the first.
        self.assert_fails(refused, "layer 1 of the new image", "'etc/b'")
        self.assertFalse(os.path.exists(self.temporary + "/out2.tar"))
        self.assert_fails(self.as_nobody("drop", self.archive, "5", "-t", "x:1", check=False), "the image has 4")
        old, new = self.path("old.tar"), self.path("new.tar")
        small_images.write_archive(old, "base:1", LAYERS[:3])
        other = [small_images.layer(("base", b"new"))]
        small_images.write_archive(new, "base:2", other)
        for path in (old, new):
            os.chmod(path, 0o644)
        layers, config = self.rewrite("rebase", self.archive, "--old-base", old, "--new-base", new)
        self.assertEqual(layers, other + LAYERS[3:])
        self.assertEqual(config["config"], {"Cmd": ["/bin/sh"]})
        self.assert_fails(self.as_nobody("rebase", self.archive, "--old-base", new, "--new-base", old, "-t",
                                         "x:1", check=False), "old base")

    def test_append_takes_tars_and_directories(self):
        upper = small_images.layer((".wh.data", b""), ("etc", None), ("etc/a", "-> etc/b"), ("top", b"7"))
        tar = self.path("upper.tar")
        with open(tar, "wb") as file:
            file.write(upper)
        run("gzip", "-k", tar)
        wanted = self.applied(LAYERS + [upper])
        for path in (tar, tar + ".gz"):
            os.chmod(path, 0o644)
            layers, config = self.rewrite("append", self.archive, path)
            self.assertEqual(layers, LAYERS + [upper])
            self.assertEqual(config["history"][-1]["created_by"], "imagetool append " + path)
        directory = self.path("upper")
        os.mkdir(directory)
        run("tar", "-C", directory, "-xf", tar, "--exclude=etc/a")
        os.chmod(directory, 0o755)
        os.utime(directory, ns=(0, 0))
        layers, _ = self.rewrite("append", self.archive, directory)
        found = self.applied(layers)
        self.assertEqual(found[b"top"]["size"], 1)
        self.assertNotIn(b"data", found)
        # The root stays the image's.
        os.chmod(directory, 0o777)
        self.rewrite("append", self.archive, directory)
        root = self.as_nobody("ls", "-ld", self.temporary + "/out.tar", "/").stdout
        self.assertTrue(root.startswith("drwxr-xr-x 0 0 "), root)
        self.assert_fails(self.as_nobody("append", self.archive, self.archive + "x", "-t", "x:1", check=False),
                          "app.tarx")
        with open(tar, "wb") as file:
            file.write(small_images.layer(("a", "-> nothing")))
        self.assert_fails(self.as_nobody("append", self.archive, tar, "-t", "docker-archive:" + self.temporary + "/o",
                                         check=False), "'nothing'")

    def test_config_sets_and_takes_away(self):
        layers, config = self.rewrite(
            "config", self.archive, "--env", "A=1", "--env", "B=x y", "--label", "l=v", "--label", "empty",
            "--user", "app", "--workdir", "/w", "--expose", "80", "--expose", "53/udp", "--volume", "/data",
            "--stop-signal", "SIGINT", "--entrypoint", '["/e", "x"]', "--author", "me", "--set-platform", "linux/arm/v7")
        self.assertEqual(layers, LAYERS)
        self.assertEqual(config["config"], {
            "Cmd": ["/bin/sh"], "Env": ["A=1", "B=x y"], "Labels": {"l": "v", "empty": ""}, "User": "app",
            "WorkingDir": "/w", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}},
            "StopSignal": "SIGINT", "Entrypoint": ["/e", "x"]})
        self.assertEqual((config["author"], config["architecture"], config["variant"]), ("me", "arm", "v7"))
        first = self.path("first.tar")
        shutil.copy(self.temporary + "/out.tar", first)
        os.chmod(first, 0o644)
        _, config = self.rewrite(
            "config", "--platform", "linux/arm/v7", first, "--rm-env", "A", "--env", "B=2", "--rm-label", "l",
            "--rm-label", "empty", "--user", "", "--rm-expose", "80/tcp", "--rm-volume", "/data", "--cmd", "echo hi",
            "--entrypoint", "", "--author", "", "-c", "STOPSIGNAL SIGTERM")
        self.assertEqual(config["config"], {
            "Cmd": ["/bin/sh", "-c", "echo hi"], "Env": ["B=2"], "WorkingDir": "/w", "ExposedPorts": {"53/udp": {}},
            "StopSignal": "SIGTERM"})
        self.assertNotIn("author", config)
        twice = self.path("twice.tar")
        with tarfile.open(self.archive) as archive:
            members = {m.name: archive.extractfile(m).read() for m in archive}
        old = json.loads(members["manifest.json"])[0]["Config"]
        document = json.loads(members.pop(old))
        document["config"]["Env"] = ["A=1", "B=1", "A=2"]
        members[old] = json.dumps(document).encode()
        with tarfile.open(twice, "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        os.chmod(twice, 0o644)
        self.assertEqual(self.rewrite("config", twice, "-e", "A=3")[1]["config"]["Env"], ["A=3", "B=1"])
        self.assertEqual(self.rewrite("config", twice, "--rm-env", "A")[1]["config"]["Env"], ["B=1"])
        for arguments, text in ((["--env", "=x"], "'=x'"), (["--env", "NAME"], "'NAME'"), (["--rm-env", "No"], "'No'"),
                                (["--rm-label", "no"], "'no'"), (["--expose", "70000"], "'70000'"),
                                (["--expose", "1/x"], "'1/x'"), (["--rm-expose", "9"], "'9'"),
                                (["--volume", "rel"], "'rel'"), (["--rm-volume", "/no"], "'/no'"),
                                (["--set-platform", "x"], "'x'"), (["-c", "FROM x"], "FROM x")):
            with self.subTest(arguments):
                self.assert_fails(self.as_nobody("config", self.archive, *arguments, "-t", "x:1", check=False), text)

    def test_import_keeps_the_bytes(self):
        tar = self.path("rootfs.tar")
        with open(tar, "wb") as file:
            file.write(LAYERS[0])
        os.chmod(tar, 0o644)
        out = self.temporary + "/out.tar"
        self.as_nobody("import", "-c", "CMD [\"/bin/x\"]", "-c", "ENV A=b", "-m", "told", "--platform", "linux/arm64",
                       tar, f"docker-archive:{out}:root:1")
        layers, config = archive_layers(out)
        self.assertEqual(layers, [LAYERS[0]])
        self.assertEqual(config["config"], {"Cmd": ["/bin/x"], "Env": ["A=b"]})
        self.assertEqual((config["architecture"], config["history"][0]["comment"]), ("arm64", "told"))
        store = harness.Store(self.path("store"))
        with open(tar, "rb") as file:
            image = store("import", "-", "root:2", stdin=file).stdout.strip()
        self.assertEqual(store.inspect("root:2")["Id"], image)
        self.assertEqual(store.inspect("root:2")["RootFS"]["Layers"], config["rootfs"]["diff_ids"])
        with open(tar, "wb") as file:
            file.write(b"no tar at all" * 100)
        self.assert_fails(store("import", tar, "bad:1", check=False), "rootfs.tar")
        self.assert_fails(store("import", tar, "BAD", check=False), "BAD")
        self.assertEqual(store.staging(), [])

    def test_standard_output_gets_the_archive_alone(self):
        program = [IMAGETOOL, "--root", self.path("none"), "flatten", self.archive, "-t", "docker-archive:-:app:2"]
        archive = subprocess.run(program, check=True, capture_output=True).stdout
        self.assertEqual(len(archive) % 512, 0)
        self.assertTrue(archive.endswith(b"\0" * 1024))

    def test_the_store_takes_new_images(self):
        store = harness.Store(self.path("store"))
        store("load", "-i", self.archive)
        image = store("squash", "app:1", "--last", "3", "-t", "app:2").stdout.strip()
        self.assertEqual(store.inspect("app:2")["Id"], image)
        self.assertEqual(store("ls", "-lR", "app:2").stdout, store("ls", "-lR", "app:1").stdout)
        with self.mounted_tree(store, "app:1") as one, self.mounted_tree(store, "app:2") as two:
            self.assert_same(one, two)
        self.assertEqual(store.staging(), [])

    def mounted_tree(self, store, image):
        return MountedTree(self, store, image)

    def test_errors_name_the_object(self):
        missing = self.temporary + "/none.tar"
        two = self.path("two.tar")
        cases = [
            (["ls", missing], "none.tar"),
            (["ls", "nosuch:1"], "nosuch:1"),
            (["ls", "docker://debian"], "'docker'"),
            (["ls", "oci-archive:" + self.archive], "docker-archive"),
            (["ls", f"docker-archive:{self.archive}:other:1"], "'other:1'"),
            (["ls", f"docker-archive:{self.archive}:@7"], "'@7'"),
            (["ls", self.archive, "/none"], "'/none'"),
            (["ls", "--platform", "x", self.archive], "'x'"),
            (["cat", self.archive, "/etc"], "directory"),
            (["tree", self.archive, "/etc/a"], "regular file"),
            (["squash", self.archive, "--from", "9", "-t", "x:1"], "--from 9"),
            (["squash", self.archive, "--from", "3", "--to", "2", "-t", "x:1"], "no layer"),
            (["squash", self.archive, "-t", "docker://x"], "'docker'"),
            (["squash", self.archive, "-t", "UPPER"], "UPPER"),
            (["squash", self.archive, "-t", "docker-archive:/nosuch/x.tar"], "/nosuch/x.tar"),
            (["flatten", self.archive, "-t", "x:1", "--compress", "gzip"], "--compress"),
        ]
        del two
        for arguments, text in cases:
            with self.subTest(arguments):
                self.assert_fails(self.as_nobody(*arguments, check=False), text)
        for arguments in (["ls"], ["cat", self.archive], ["squash", self.archive], ["drop", self.archive, "0", "-t", "x"],
                          ["squash", self.archive, "--last", "1", "--all", "-t", "x"]):
            with self.subTest(arguments):
                self.assertEqual(self.as_nobody(*arguments, check=False).returncode, 2)

    def test_a_damaged_layer_is_refused(self):
        with open(self.archive, "rb") as file:
            content = bytearray(file.read())
        place = content.index(b"library")
        content[place] ^= 1
        damaged = self.path("damaged.tar")
        with open(damaged, "wb") as file:
            file.write(content)
        os.chmod(damaged, 0o644)
        self.assert_fails(self.as_nobody("layers", damaged, check=False), "does not match its digest")
        out = self.temporary + "/out.tar"
        for command in (["squash", "--last", "1"], ["squash"], ["flatten"]):
            self.assert_fails(self.as_nobody(*command, damaged, "-t", "docker-archive:" + out, check=False),
                              "does not match its digest")
            self.assertFalse(os.path.exists(out))
        self.assert_fails(self.as_nobody("rm-path", damaged, "new", "-t", "docker-archive:" + out, check=False),
                          "does not match its digest")
        self.assertFalse(os.path.exists(out))


class MountedTree:
    """What a mount of an image shows."""

    def __init__(self, test, store, image):
        self.test, self.store, self.image = test, store, image
        self.directory = test.path("mount-" + image.replace(":", "-"))

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        self.store("mount", self.image, self.directory)
        return harness.tree(self.directory)

    def __exit__(self, *_):
        self.store("unmount", self.directory)


if __name__ == "__main__":
    harness.main()
