"""Images joined and cut: merge, split, normalize, rm-path and rebase, on archives, by an ordinary user.
What is right is told by GNU tar, by models of a few lines, and by umoci."""
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import unittest

import corpus_test
import harness
import image_fixture
import small_images
from harness import run
from image_fixture import archive_layers

CORPUS = os.environ.get("LAYERKIT_CORPUS")
LAYERS = [
    small_images.layer(
        ("etc", None), ("etc/a", b"one"), ("etc/b", "-> etc/a"), ("usr", None), ("usr/lib", None),
        ("usr/lib/x", b"library"), ("lib", "~> usr/lib"), ("data", None), ("data/d1", b"1"), ("gone", b"333")),
    small_images.layer((".wh.gone", b""), ("data", None), ("data/.wh..wh..opq", b""), ("data/d3", b"4444")),
    small_images.layer(("etc", None), ("etc/a", b"two!"), ("new", None), ("new/file", b"55555"),
                       ("new/link", "-> new/file"), ("opt", None), ("opt/other", "-> new/file")),
]
OTHER = small_images.layer((".wh.data", b""), ("etc", None), ("etc/.wh.b", b""), ("etc/o", b"other"), ("lib/y", b"yy"))


def names_of(layer):
    return [member.name for member in tarfile.open(fileobj=io.BytesIO(layer))]


def digests(layers):
    return [hashlib.sha256(layer).hexdigest() for layer in layers]


def effects_of(layer):
    """The paths that it has or removes."""
    return {os.path.join(os.path.dirname(n), os.path.basename(n).removeprefix(".wh.")).removesuffix("/.wh..opq")
            for n in names_of(layer)}


def is_directory(record):
    return stat.S_ISDIR(int(record["mode"], 8))


def compared(record):
    """What two images have to agree about."""
    return {k: v for k, v in record.items() if k != "links" and (k != "mtime_ns" or not is_directory(record))}


def union(trees, last):
    """The trees as one, and the paths that they do not agree about: docs/IMAGES.md, "Merging"."""
    merged, conflicts, merging = {}, [], {}
    for name in sorted(set().union(*trees), key=lambda n: (n != b".", n.split(b"/"))):
        parent = os.path.dirname(name) or b"."
        having = [i for i, tree in enumerate(trees)
                  if name in tree and (name == b"." or i in merging.get(parent, ()))]
        if not having:
            continue
        taken = trees[having[-1 if last else 0]][name]
        merged[name] = taken
        merging[name] = [i for i in having if is_directory(taken) and is_directory(trees[i][name])]
        if any(compared(trees[i][name]) != compared(trees[having[0]][name]) for i in having):
            conflicts.append("/" + os.fsdecode(name).removeprefix("."))
    return merged, conflicts


def without_links(tree):
    """For unions: which names of several images are one file is told by the unit tests."""
    return {name: {k: v for k, v in record.items() if k != "links"} for name, record in tree.items()}


def without_paths(tree, removed):
    """The tree without these and all below; other names of a file that loses some stay one file."""
    tops = [os.fsencode(path.strip("/")) for path in removed]

    def is_left(name):
        return not any((name + b"/").startswith(top + b"/") for top in tops)
    return {name: {k: [n for n in v if is_left(n)] if k == "links" else v for k, v in record.items()}
            for name, record in tree.items() if is_left(name)}


def without_times_of_directories(tree):
    """umoci gives directories that a later layer touches times of its own."""
    return {name: {k: v for k, v in record.items() if k != "mtime_ns" or not is_directory(record)}
            for name, record in tree.items() if name != b"."}


class ImageJoinTest(image_fixture.ImageTestCase):
    layers = LAYERS

    def write(self, name, layers):
        path = self.path(name + ".tar")
        small_images.write_archive(path, name + ":1", layers)
        os.chmod(path, 0o644)
        return path

    def unpacked(self, *command):
        """What umoci makes of the image that the command makes."""
        layout, bundle = self.temporary + "/out.layout", self.path("bundle")
        self.as_nobody(*command, "-t", f"oci:{layout}:app:2", "--compress", "gzip")
        run("umoci", "unpack", "--image", f"{layout}:2", bundle)
        found = harness.tree(bundle + "/rootfs")
        shutil.rmtree(bundle)
        shutil.rmtree(layout)
        return found

    # merge

    def test_merge_stacks_layers_and_repeats_no_common_ones(self):
        other = self.write("other", LAYERS[:2] + [OTHER])
        layers, config = self.rewrite("merge", self.archive, other)
        self.assertEqual(layers, LAYERS + [OTHER])
        self.assert_same(self.applied(LAYERS + [OTHER]), self.applied(layers))
        self.assertEqual(config["config"], {"Cmd": ["/bin/sh"]})
        layers, _ = self.rewrite("merge", other, self.archive, other)
        self.assertEqual(layers, LAYERS[:2] + [OTHER] + LAYERS[2:])
        self.assertEqual(self.rewrite("merge", self.archive, self.archive)[0], LAYERS)

    def test_merge_takes_the_configuration_that_is_asked_for_and_all_history(self):
        first, last = self.temporary + "/out.first", self.temporary + "/out.last"
        self.as_nobody("config", self.write("f", [LAYERS[0]]), "--cmd", '["first"]', "-t", "docker-archive:" + first)
        self.as_nobody("append", "-m", "more", "-t", "docker-archive:" + last, self.archive, self.write_layer(OTHER))
        self.assertEqual(self.rewrite("merge", first, last)[1]["config"], {"Cmd": ["/bin/sh"]})
        layers, config = self.rewrite("merge", first, last, "--config-from", first)
        self.assertEqual(config["config"], {"Cmd": ["first"]})
        self.assertEqual(config["history"][-1]["comment"], "more")
        self.assertEqual(len([r for r in config["history"] if not r.get("empty_layer")]), len(layers))
        self.assertEqual(self.rewrite("merge", first, last, "--config-from", self.archive)[1]["config"],
                         {"Cmd": ["/bin/sh"]})

    def write_layer(self, content):
        path = self.path("some-layer.tar")
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o644)
        return path

    def test_merge_of_layers_that_cannot_be_applied(self):
        linking = self.write("linking", [LAYERS[0], small_images.layer(("l", "-> gone"))])
        refused = self.as_nobody("merge", self.archive, linking, "-t", f"docker-archive:{self.temporary}/out.tar",
                                 check=False)
        self.assert_fails(refused, "layer 4 of the new image", "'gone'")
        self.assertFalse(os.path.exists(self.temporary + "/out.tar"))

    def three(self):
        """Images that agree about some files."""
        same = [("etc", None), ("etc/same", b"same"), ("link", "-> etc/same")]
        return [
            [small_images.layer(*same, ("etc/x", b"1"), ("d", None), ("d/a", b"a"), ("only", b"one"))],
            [small_images.layer(*same, ("etc/x", b"22"), ("d", b"a file")), small_images.layer(("two", b"2"))],
            [small_images.layer(*same, ("d", None), ("d/a", b"b"), ("d/b", b"b"), ("two", "~> etc/same"))],
        ]

    def test_merge_of_trees_by_every_policy(self):
        stacks = self.three()
        paths = [self.write(f"image{i}", layers) for i, layers in enumerate(stacks)]
        trees = [self.applied(layers) for layers in stacks]
        for policy in ("first", "last"):
            merged, conflicts = union(trees, policy == "last")
            self.assertEqual(conflicts, ["/d", "/d/a", "/etc/x", "/two"])
            for operands in (["--on-conflict", policy], ["--trees", "--on-conflict", policy]):
                layers, _ = self.rewrite("merge", *operands, *paths)
                self.assertEqual(layers[:-1], stacks[0])
                found = self.applied(layers)
                self.assert_same(without_links(merged), without_links(found))
                self.assertEqual(found[b"link"]["links"], [b"etc/same", b"link"])
                # Neither what all agree about nor what the first alone has.
                self.assertNotIn("etc/same", names_of(layers[-1]))
                self.assertNotIn("only", names_of(layers[-1]))

    def test_conflicts_are_listed_and_nothing_is_made(self):
        paths = [self.write(f"image{i}", layers) for i, layers in enumerate(self.three())]
        out = self.temporary + "/out.tar"

        def merge(*options):
            result = self.as_nobody("merge", "--trees", *options, *paths, "-t", "docker-archive:" + out, check=False)
            self.assert_fails(result, "differ at 4 paths", "first at '/d'")
            self.assertFalse(os.path.exists(out))
            return result.stdout
        lines = merge().splitlines()
        self.assertEqual(lines[0], f"/d (type): {paths[0]}, {paths[1]}, {paths[2]}")
        self.assertEqual(lines[1], f"/d/a (contents): {paths[0]}, {paths[2]}")
        self.assertEqual(lines[2], f"/etc/x (size): {paths[0]}, {paths[1]}")
        self.assertEqual(merge("--on-conflict", "fail", "--format", "{{.Path}} {{.Types}} <{{.Taken}}>").splitlines()[0],
                         "/d directory, regular file, directory <>")
        rows = [json.loads(line) for line in merge("--format", "json").splitlines()]
        self.assertEqual([row["Path"] for row in rows], ["/d", "/d/a", "/etc/x", "/two"])
        self.assertEqual([(v["Image"], v["Size"]) for v in rows[2]["Versions"]], [(paths[0], "1"), (paths[1], "2")])
        table = merge("--format", "table").splitlines()
        self.assertRegex(table[0], "^PATH +DIFFERS +IMAGES +TAKEN")
        self.assertEqual(len(table), 5)

    def test_conflicts_that_are_settled_are_listed_when_asked_for(self):
        paths = [self.write(f"image{i}", layers) for i, layers in enumerate(self.three())]
        out = "docker-archive:" + self.temporary + "/out.tar"
        printed = self.as_nobody("merge", "--on-conflict", "last", *paths, "-t", out,
                                 "--format", "{{.Path}} {{.Taken}}").stdout.splitlines()
        self.assertEqual(printed[:4], [f"/d {paths[2]}", f"/d/a {paths[2]}", f"/etc/x {paths[1]}", f"/two {paths[2]}"])
        self.assertRegex(printed[4], "^sha256:[0-9a-f]{64}$")
        self.assertEqual(len(printed), 5)
        printed = self.as_nobody("merge", "--on-conflict", "last", *paths, "-t", out).stdout
        self.assertRegex(printed, "^sha256:[0-9a-f]{64}\n$")

    def test_names_of_conflicts_are_escaped(self):
        one = self.write("one", [small_images.layer(("a\x1b[31m", b"1"), ("caf\udce9", b"1"))])
        two = self.write("two", [small_images.layer(("a\x1b[31m", b"2"), ("caf\udce9", b"2"))])
        result = self.as_nobody("merge", "--trees", one, two, "-t", "x:1", check=False)
        self.assertIn("/a\\x1b[31m (contents)", result.stdout)
        result = self.as_nobody("merge", "--trees", one, two, "-t", "x:1", "--format", "json", check=False)
        self.assertEqual([json.loads(line)["Path"] for line in result.stdout.splitlines()],
                         ["/a\x1b[31m", "/caf\\xe9"])

    def test_merge_warns_of_another_platform(self):
        other = self.temporary + "/out.arm"
        self.as_nobody("config", self.archive, "--set-platform", "linux/arm64", "-t", "docker-archive:" + other)
        # The only one of its archive: it is taken whatever this machine is.
        result = self.as_nobody("merge", self.archive, other, "-t", "docker-archive:" + self.temporary + "/out.tar")
        self.assertIn(f"warning: {self.archive} is for linux/amd64, {other} for linux/arm64", result.stderr)

    # split

    def test_split_keeps_the_tree_whatever_is_cut_out(self):
        wanted = self.applied(LAYERS)
        for number, paths in ((1, ["etc"]), (1, ["/etc/b"]), (1, ["usr/lib", "lib"]), (2, ["data"]), (2, ["gone"]),
                              (2, ["data/d3", "gone"]), (3, ["new"]), (3, ["opt"]), (3, ["etc/a", "opt/other"])):
            for each in ([], ["--each"]):
                with self.subTest((number, paths, each)):
                    by = [word for path in paths for word in ("--by", path)]
                    layers, config = self.rewrite("split", *by, *each, self.archive, str(number))
                    count = len(paths) if each else 1
                    self.assertEqual(len(layers), len(LAYERS) + count)
                    self.assertEqual(layers[:number - 1], LAYERS[:number - 1])
                    self.assertEqual(layers[number + count:], LAYERS[number:])
                    self.assert_same(wanted, self.applied(layers))
                    self.assert_same(self.applied(LAYERS[:number]), self.applied(layers[:number + count]))
                    left = names_of(layers[number - 1])
                    tops = [path.strip("/") for path in paths]
                    self.assertFalse([n for n in left if any((n + "/").startswith(t + "/") for t in tops)], left)
                    records = [r for r in config["history"] if not r.get("empty_layer")]
                    self.assertEqual(len(records), len(layers))
                    self.assertIn("split from sha256:", records[number]["comment"])

    def test_split_keeps_names_of_one_file_together(self):
        layers, _ = self.rewrite("split", "--by", "opt", self.archive, "3")
        self.assertEqual(names_of(layers[2]), ["etc", "etc/a", "new", "opt"][:3])
        self.assertEqual(names_of(layers[3]), ["new", "new/file", "new/link", "opt", "opt/other"])
        # Each can be unpacked alone: no link leads out of it.
        for layer in layers[2:]:
            self.applied([layer])

    def test_split_errors(self):
        def refuse(*arguments):
            return self.as_nobody("split", *arguments, "-t", f"docker-archive:{self.temporary}/out.tar", check=False)
        self.assert_fails(refuse("--by", "none", self.archive, "1"), "'/none'")
        self.assert_fails(refuse("--by", "/", self.archive, "1"), "root")
        self.assert_fails(refuse("--by", "../x", self.archive, "1"), "'../x'")
        self.assert_fails(refuse("--by", "etc", self.archive, "4"), "layer 4", "has 3")
        self.assert_fails(refuse("--each", "--by", "etc", "--by", "etc/a", self.archive, "1"), "'/etc/a'")
        for arguments in ((self.archive, "1"), ("--by", "etc", self.archive), ("--by", "etc", self.archive, "0")):
            self.assertEqual(refuse(*arguments).returncode, 2)
        self.assertFalse(os.path.exists(self.temporary + "/out.tar"))

    # normalize

    def built(self, name, time, reverse):
        """Builds of one thing: at another time, in another order, by somebody else."""
        entries = [("a", b"1"), ("dir/b", b"2"), ("dir/c", b"3"), ("old", b"4")]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, content in reversed(entries) if reverse else entries:
                info = tarfile.TarInfo(path)
                info.size, info.mtime = len(content), 5 if path == "old" else time
                info.uname, info.uid = ("me", 1000) if reverse else ("builder", 1000)
                info.pax_headers = {"atime": str(time), "comment": name}
                tar.addfile(info, io.BytesIO(content))
        return self.write(name, [LAYERS[0], buffer.getvalue()])

    def test_two_builds_of_the_same_give_the_same_image(self):
        one, two = self.built("one", 1_700_000_000.25, False), self.built("two", 1_800_000_000.5, True)
        plain = [self.rewrite("normalize", path)[0] for path in (one, two)]
        self.assertNotEqual(*plain)
        first = self.rewrite("normalize", one, SOURCE_DATE_EPOCH="1600000000")
        for path in (one, two):
            for how in ({"SOURCE_DATE_EPOCH": "1600000000"}, {"SOURCE_DATE_EPOCH": "7"}):
                options = [] if how["SOURCE_DATE_EPOCH"] != "7" else ["--timestamp", "2020-09-13T12:26:40.9Z"]
                self.assertEqual(self.rewrite("normalize", path, *options, **how), first)
        layers, _ = first
        members = {m.name: m for m in tarfile.open(fileobj=io.BytesIO(layers[1]))}
        self.assertEqual(list(members), ["a", "dir", "dir/b", "dir/c", "old"])
        for member in members.values():
            self.assertEqual((member.uname, member.gname, member.pax_headers), ("", "", {}))
        self.assertEqual((members["a"].mtime, members["old"].mtime, members["a"].uid), (1_600_000_000, 5, 1000))

    def test_normalize_keeps_the_tree_and_does_nothing_twice(self):
        layers, config = self.rewrite("normalize", self.archive)
        self.assert_same(self.applied(LAYERS), self.applied(layers))
        for i in range(len(LAYERS)):
            self.assert_same(self.applied(LAYERS[:i + 1]), self.applied(layers[:i + 1]))
        self.assertNotIn("data/.wh..wh..opq", names_of(layers[1]))
        self.assertIn("data/.wh.d1", names_of(layers[1]))
        out = self.path("once.tar")
        shutil.copy(self.temporary + "/out.tar", out)
        os.chmod(out, 0o644)
        self.assertEqual(self.rewrite("normalize", out), (layers, config))

    def test_normalize_sets_owners_and_times(self):
        one = self.built("one", 1_700_000_000.25, False)
        layers, _ = self.rewrite("normalize", one, "--owner", "12:3000000", "--timestamp", "1000")
        found, wanted = self.applied(layers), self.applied([LAYERS[0], archive_layers(one)[0][1]])
        for record in wanted.values():
            record.update(uid=12, gid=3000000, mtime_ns=min(record["mtime_ns"], 1000 * 10**9))
        self.assert_same(wanted, found)

    def test_normalize_lowers_times_of_the_config(self):
        dated = self.temporary + "/out.dated"
        self.as_nobody("append", self.archive, self.write_layer(OTHER), "-t", "docker-archive:" + dated,
                       SOURCE_DATE_EPOCH="1700000000")
        self.assertEqual(archive_layers(dated)[1]["history"][-1]["created"], "2023-11-14T22:13:20Z")
        _, config = self.rewrite("normalize", dated, "--timestamp", "1600000000")
        self.assertEqual(config["history"][-1]["created"], "2020-09-13T12:26:40Z")
        _, config = self.rewrite("normalize", dated)
        self.assertEqual(config["history"][-1]["created"], "2023-11-14T22:13:20Z")

    def test_normalize_errors(self):
        for options, text in ((["--owner", "root:root"], "'root:root'"), (["--owner", "1"], "'1'"),
                              (["--owner", "1:4294967295"], "4294967294"), (["--owner", ":"], "':'"),
                              (["--timestamp", "soon"], "'soon'"), (["--timestamp", "-5"], "'-5'"),
                              (["--timestamp", "99999999999999"], "'99999999999999'")):
            with self.subTest(options):
                self.assert_fails(self.as_nobody("normalize", self.archive, *options, "-t", "x:1", check=False), text)
        self.assert_fails(self.as_nobody("normalize", self.archive, "-t", "x:1", check=False, SOURCE_DATE_EPOCH="x"),
                          "SOURCE_DATE_EPOCH")

    # rm-path

    def assert_removed(self, image, layers, paths):
        """The image of these layers without the paths; layers that have nothing there are the same."""
        made, config = self.rewrite("rm-path", image, *paths)
        self.assert_same(without_paths(self.applied(layers), paths), self.applied(made))
        self.assertEqual(len(made), len(layers))
        tops = [path.strip("/") for path in paths]
        for old, new in zip(layers, made):
            if any((n + "/").startswith(t + "/") for n in effects_of(old) for t in tops):
                self.assertNotEqual(*digests([old, new]))
                self.assertFalse([n for n in effects_of(new) if any((n + "/").startswith(t + "/") for t in tops)])
            else:
                self.assertEqual(*digests([old, new]))
        return config

    def test_rm_path_takes_away_that_alone(self):
        for paths in (["etc"], ["/etc/b"], ["etc/a"], ["data"], ["data/d3"], ["gone"], ["lib"], ["usr/lib"],
                      ["new/file"], ["new"], ["new/file", "new/link"], ["opt/other", "gone", "etc/a"]):
            with self.subTest(paths):
                self.assert_removed(self.archive, LAYERS, paths)

    def test_rm_path_of_what_upper_layers_reach_through_and_hide(self):
        linked = self.write("linked", [
            small_images.layer(("usr", None), ("usr/lib", None), ("lib", "~> usr/lib")),
            small_images.layer(("lib/secret", b"secret")), small_images.layer((".wh.usr", b""), (".wh.lib", b""))])
        out = self.temporary + "/out.tar"
        refused = self.as_nobody("rm-path", linked, "lib", "-t", "docker-archive:" + out, check=False)
        self.assert_fails(refused, "'/lib'", "layer 2")
        self.assertFalse(os.path.exists(out))

    # rebase

    def test_rebase_puts_own_layers_on_another_base(self):
        fresh = [small_images.layer(("etc", None), ("etc/a", b"new"), ("data", None), ("data/n", b"n"), ("gone", b"4")),
                 small_images.layer(("usr", None), ("usr/new", b"1"))]
        for count in range(len(LAYERS)):
            for base in (fresh, fresh[:1], LAYERS[:2], LAYERS):
                with self.subTest((count, len(base))):
                    old, new = self.write("old", LAYERS[:count]), self.write("new", base)
                    layers, config = self.rewrite("rebase", self.archive, "--old-base", old, "--new-base", new)
                    self.assertEqual(digests(layers), digests(base + LAYERS[count:]))
                    self.assert_same(self.applied(base + LAYERS[count:]), self.applied(layers))
                    self.assertEqual(config["config"], {"Cmd": ["/bin/sh"]})
        self.assert_fails(self.as_nobody("rebase", self.archive, "--old-base", self.write("old", LAYERS[1:]),
                                         "--new-base", self.archive, "-t", "x:1", check=False),
                          "does not begin with the 2 layers of its old base")

    def test_rebase_takes_the_base_for_what_its_layers_are_whatever_its_history_tells(self):
        def records(*texts):
            return [{"created_by": text, **({"empty_layer": True} if text.islower() else {})} for text in texts]
        image, old, new = (self.path(name + ".tar") for name in ("image", "old", "new"))
        small_images.write_archive(image, "image:1", LAYERS, records("env", "A", "cmd", "B", "label", "C"))
        small_images.write_archive(new, "new:1", [OTHER], records("NEW", "new"))
        for history, own in ((None, ["cmd", "B", "label", "C"]), (records("A"), ["cmd", "B", "label", "C"]),
                             (records("env", "A", "cmd"), ["B", "label", "C"]),
                             (records("env", "x", "A", "x", "x", "x", "x"), ["B", "label", "C"])):
            small_images.write_archive(old, "old:1", LAYERS[:1], history)
            for path in (image, old, new):
                os.chmod(path, 0o644)
            layers, config = self.rewrite("rebase", image, "--old-base", old, "--new-base", new)
            self.assertEqual(digests(layers), digests([OTHER] + LAYERS[1:]))
            self.assertEqual([r["created_by"] for r in config["history"]], ["NEW", "new", *own])

    def test_rebase_refuses_a_base_for_another_platform(self):
        arm, out = self.temporary + "/out.arm", self.temporary + "/out.tar"
        self.as_nobody("config", self.archive, "--set-platform", "linux/arm64", "-t", "docker-archive:" + arm)
        for image, old, new, text in ((self.archive, self.archive, arm, "its new base for linux/arm64"),
                                      (self.archive, arm, self.archive, "its old base for linux/arm64"),
                                      (arm, self.archive, arm, "is for linux/arm64, its old base for linux/amd64")):
            refused = self.as_nobody("rebase", image, "--old-base", old, "--new-base", new, "-t",
                                     "docker-archive:" + out, check=False)
            self.assert_fails(refused, "rebasing: the image is for linux/", text)
            self.assertFalse(os.path.exists(out))
        self.rewrite("rebase", arm, "--old-base", arm, "--new-base", arm)

    # all of them

    def test_images_without_layers(self):
        bare, out = self.write("bare", []), "docker-archive:" + self.temporary + "/out.tar"
        for command, text in ((["squash", bare], "'%s': it has no layers" % bare),
                              (["squash", "--last", "1", bare], "'%s': it has no layers" % bare),
                              (["drop", bare, "1"], "dropping layer 1: the image has 0"),
                              (["split", "--by", "a", bare, "1"], "splitting layer 1: the image has 0"),
                              (["rm-path", bare, "a"], "'/a': no layer of the image has it"),
                              (["rebase", bare, "--old-base", self.archive, "--new-base", bare], "3 layers of its old base")):
            with self.subTest(command):
                self.assert_fails(self.as_nobody(*command, "-t", out, check=False), text)
                self.assertFalse(os.path.exists(self.temporary + "/out.tar"))
        for command, wanted in ((["normalize", bare], []), (["rebase", bare, "--old-base", bare, "--new-base", bare], []),
                                (["rebase", bare, "--old-base", bare, "--new-base", self.archive], LAYERS),
                                (["rebase", self.archive, "--old-base", bare, "--new-base", bare], LAYERS),
                                (["rebase", self.archive, "--old-base", self.archive, "--new-base", bare], []),
                                (["merge", bare, bare], []), (["merge", bare, self.archive], LAYERS)):
            with self.subTest(command):
                self.as_nobody(*command, "-t", out)
                self.assertEqual(digests(archive_layers(self.temporary + "/out.tar")[0]), digests(wanted))
                os.remove(self.temporary + "/out.tar")
        # As asked, one layer; there is nothing in it.
        layers, config = self.rewrite("flatten", bare)
        self.assertEqual([names_of(layer) for layer in layers], [[]])
        self.assertEqual(len(config["history"]), 1)

    def commands(self):
        other = self.write("other", LAYERS[:2] + [OTHER])
        old, new = self.write("old", LAYERS[:1]), self.write("new", [LAYERS[0], OTHER])
        return {"merge": ["merge", self.archive, other],
                "trees": ["merge", "--on-conflict", "last", self.archive, other],
                "split": ["split", "--by", "data", "--by", "gone", self.archive, "2"],
                "split links": ["split", "--each", "--by", "opt", "--by", "etc", self.archive, "3"],
                "normalize": ["normalize", self.archive, "--timestamp", "0"],
                "rm-path": ["rm-path", self.archive, "etc/a", "data", "new/file"],
                "rebase": ["rebase", self.archive, "--old-base", old, "--new-base", new]}

    def test_umoci_unpacks_the_same_trees(self):
        if shutil.which("umoci") is None:
            self.skipTest("needs umoci")
        for name, command in self.commands().items():
            with self.subTest(name):
                wanted = self.applied(self.rewrite(*command)[0])
                found = self.unpacked(*command)
                self.assert_same(without_times_of_directories(wanted), without_times_of_directories(found))

    def test_every_target_takes_the_image(self):
        store = harness.Store(self.path("store"))
        store("load", "-i", self.archive)
        for name, command in self.commands().items():
            with self.subTest(name):
                command = ["app:1" if word == self.archive else word for word in command]
                layers, config = self.rewrite(*[self.archive if word == "app:1" else word for word in command])
                image = store(*command, "-t", "made:1").stdout.strip()
                self.assertEqual(store.inspect("made:1")["Id"], image)
                self.assertEqual(store.inspect("made:1")["RootFS"]["Layers"], config["rootfs"]["diff_ids"])
                target = store("mount", "made:1").stdout.strip()
                self.assert_same(self.applied(layers), harness.tree(target))
                store("unmount", "made:1")
                for form in ("oci-archive", "oci"):
                    out = self.path("form")
                    printed = store(*command, "-t", f"{form}:{out}:made:2", "--compress", "zstd").stdout.strip()
                    self.assertEqual(printed, image)
                    self.assertEqual(store("ls", "-lR", out).stdout, store("ls", "-lR", "made:1").stdout)
                    shutil.rmtree(out) if os.path.isdir(out) else os.remove(out)
                self.assertEqual(store.staging(), [])

    def test_a_damaged_layer_is_refused(self):
        with open(self.archive, "rb") as file:
            content = bytearray(file.read())
        content[content.index(b"library")] ^= 1
        damaged = self.path("damaged.tar")
        with open(damaged, "wb") as file:
            file.write(content)
        os.chmod(damaged, 0o644)
        other = self.write("other", [OTHER])
        out = self.temporary + "/out.tar"
        for command in (["merge", damaged, other], ["merge", other, damaged], ["merge", "--trees", damaged, other],
                        ["merge", "--on-conflict", "first", other, damaged], ["normalize", damaged],
                        ["split", "--by", "etc", damaged, "1"], ["split", "--by", "new", damaged, "3"]):
            with self.subTest(command):
                self.assert_fails(self.as_nobody(*command, "-t", "docker-archive:" + out, check=False),
                                  "does not match its digest")
                self.assertFalse(os.path.exists(out))

    def test_errors_name_the_object(self):
        missing = self.temporary + "/none.tar"
        pair = [self.write(name, [small_images.layer(("x", name.encode()))]) for name in ("one", "two")]
        for arguments, text in (
                (["merge", self.archive, missing], "none.tar"),
                (["merge", self.archive, self.archive, "--config-from", missing], "none.tar"),
                (["merge", self.archive, self.archive, "--format", "json"], "--trees"),
                (["merge", "--trees", *pair, "--format", "{{.No}}"], "No"),
                (["merge", "--trees", self.archive, self.archive, "--format", "{{"], "template"),
                (["split", "--by", "etc", missing, "1"], "none.tar"),
                (["normalize", missing], "none.tar")):
            with self.subTest(arguments):
                self.assert_fails(self.as_nobody(*arguments, "-t", "docker-archive:" + self.temporary + "/out.tar",
                                                 check=False), text)
        for arguments in (["merge", self.archive, "-t", "x:1"], ["merge", self.archive, self.archive],
                          ["merge", "--on-conflict", "both", self.archive, self.archive, "-t", "x:1"]):
            with self.subTest(arguments):
                self.assertEqual(self.as_nobody(*arguments, check=False).returncode, 2)
        result = self.as_nobody("merge", "--trees", "--format", "json", self.archive, self.archive, "-t",
                                "docker-archive:-", check=False)
        self.assert_fails(result, "standard output")

    @unittest.skipUnless(CORPUS, "LAYERKIT_CORPUS is not set")
    def test_the_corpus(self):
        for name in corpus_test.IMAGES:
            if re.search("two-images|registry-name|non-docker|unnamed", name):
                continue
            with self.subTest(name):
                self.check_corpus_image(os.path.join(CORPUS, name))

    def check_corpus_image(self, path):
        plain = self.temporary + "/out.plain"
        self.as_nobody("config", path, "--set-platform", "linux/amd64", "-t", "docker-archive:" + plain)
        old, _ = archive_layers(plain)
        if not old:
            return
        wanted = self.applied(old)
        layers, _ = self.rewrite("normalize", plain)
        self.assert_same(wanted, self.applied(layers))
        for number, layer in enumerate(old, 1):
            tops = sorted({n.lstrip("./").split("/")[0] for n in names_of(layer)} - {""})
            tops = [t for t in tops if not t.startswith(".wh.")][:2]
            if not tops:
                continue
            by = [word for top in tops for word in ("--by", top)]
            layers, _ = self.rewrite("split", *by, "--each", plain, str(number))
            self.assert_same(wanted, self.applied(layers))
        self.check_removed_and_rebased(plain, old, wanted)
        layers, _ = self.rewrite("merge", self.archive, plain)
        self.assertEqual(layers, LAYERS + old)
        for policy in ("first", "last"):
            layers, _ = self.rewrite("merge", "--on-conflict", policy, self.archive, plain)
            merged, _ = union([self.applied(LAYERS), wanted], policy == "last")
            self.assert_same(without_links(merged), without_links(self.applied(layers)))

    def check_removed_and_rebased(self, plain, old, tree):
        """rm-path of a file, a file with several names, a directory; rebase at some layers."""
        files = [n for n, r in tree.items() if "sha256" in r]
        linked = [n for n in files if len(tree[n]["links"]) > 1]
        directories = [n for n, r in tree.items() if is_directory(r) and n != b"."]
        for names in (files[:1], linked[:1], directories[:1], files[-1:] + linked[-1:] + directories[-1:]):
            if names:
                paths = [os.fsdecode(name) for name in names]
                layers, _ = self.rewrite("rm-path", plain, *paths)
                self.assert_same(without_paths(tree, paths), self.applied(layers))
        for count in sorted({0, 1, len(old) // 2, len(old)}):
            layers, _ = self.rewrite("rebase", plain, "--old-base", self.write("old", old[:count]),
                                     "--new-base", self.archive)
            self.assertEqual(digests(layers), digests(LAYERS + old[count:]))
            self.assert_same(self.applied(LAYERS + old[count:]), self.applied(layers))
        if shutil.which("umoci") is None:
            return
        command = ["rm-path", plain, *[os.fsdecode(name) for name in files[:1]]]
        if files:
            self.assert_same(without_times_of_directories(self.applied(self.rewrite(*command)[0])),
                             without_times_of_directories(self.unpacked(*command)))
        command = ["rebase", plain, "--old-base", self.write("old", old[:1]), "--new-base", self.archive]
        self.assert_same(without_times_of_directories(self.applied(self.rewrite(*command)[0])),
                         without_times_of_directories(self.unpacked(*command)))


if __name__ == "__main__":
    harness.main()
