"""Images that go from one place to another: export, copy, save --have."""
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import harness
import nobody
import reference_unpack
import small_images
from harness import IMAGETOOL, run

BASE = [
    small_images.layer(
        ("etc", None), ("etc/a", b"one"), ("etc/b", "-> etc/a"), ("keep", b"kept"), ("keep2", "-> keep"),
        ("data", None), ("data/d1", b"1"), ("data/deep", None), ("data/deep/x", b"22"), ("lib", "~> usr/lib"),
        ("usr", None), ("usr/lib", None), ("usr/lib/l", b"library")),
    small_images.layer(
        # A link to a file of a lower layer; opaque once.
        ("etc/c", "-> etc/b"), ("data", None), ("data/.wh..wh..opq", b""), ("data/deep", None), ("data/deep/y", b"333")),
]
LAYERS = [
    *BASE,
    small_images.layer(
        # Opaque over opaque; the target of links is replaced; one name of a file is removed.
        ("data", None), ("data/.wh..wh..opq", b""), ("data/z", b"4444"), ("etc", None), ("etc/a", b"two!"),
        (".wh.keep", b""), ("lib2", "-> lib/l")),
]


def blobs(layout):
    return sorted(os.listdir(os.path.join(layout, "blobs/sha256")))


def read_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def entries(layout):
    return read_json(layout, "index.json")["manifests"]


class MovesTest(nobody.TestCase):
    def setUp(self):
        super().setUp()
        self.base = self.archive("base.tar", "base:1", BASE)
        self.app = self.archive("app.tar", "app:1", LAYERS)

    def archive(self, file, name, layers):
        path = self.path(file)
        small_images.write_archive(path, name, layers)
        os.chmod(path, 0o644)
        return path

    def unpacked(self, tar):
        root = self.path("unpacked")
        shutil.rmtree(root, ignore_errors=True)
        os.mkdir(root, 0o755)
        run("tar", "-xpf", tar, "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*")
        return harness.tree(root)

    def applied(self, layers):
        root = self.path("applied")
        os.mkdir(root, 0o755)
        for content in layers:
            with open(self.path("layer.tar"), "wb") as file:
                file.write(content)
            reference_unpack.apply_layer(self.path("layer.tar"), root)
        return harness.tree(root)

    def assert_same(self, wanted, found):
        for tree in (wanted, found):
            tree.pop(b".", None)
        self.assertEqual(harness.tree_differences(wanted, found), "")

    # export

    def test_export_has_what_a_mount_shows(self):
        out = self.temporary + "/out.tar"
        self.as_nobody("export", "-o", out, self.app)
        exported = self.unpacked(out)
        store = harness.Store(self.path("store"))
        store("load", "-i", self.app)
        mount = self.path("mount")
        os.mkdir(mount)
        store("mount", "app:1", mount)
        try:
            mounted = harness.tree(mount)
        finally:
            store("unmount", mount)
        self.assert_same(self.applied(LAYERS), dict(exported))
        self.assert_same(mounted, exported)
        from_store = subprocess.run([IMAGETOOL, "--root", self.path("store"), "export", "app:1"],
                                    capture_output=True, check=True).stdout
        with open(out, "rb") as file:
            self.assertEqual(from_store, file.read())

    def test_an_export_of_a_container_has_its_changes(self):
        store = harness.Store(self.path("store"))
        box = self.archive("box.tar", "box:1", [small_images.busybox_layer(more=(("old", b"1"), ("kept", b"2")))])
        store("load", "-i", box)
        store("run", "--name", "one", "box:1", "sh", "-c", "busybox rm /old; echo new > /new; busybox ln /kept /link")
        out, same = self.path("out.tar"), self.path("same.tar")
        store("export", "-o", out, "one")
        store("commit", "one", "box:2")
        store("export", "-o", same, "box:2")
        exported = self.unpacked(out)
        self.assert_same(self.unpacked(same), exported)
        self.assertIn(b"new", exported)
        self.assertNotIn(b"old", exported)
        self.assertEqual(exported[b"link"]["links"], [b"kept", b"link"])
        self.assert_fails(store("export", "-o", out, "container:two", check=False), "two")

    def test_an_export_is_one_layer_again(self):
        out = self.temporary + "/out.tar"
        again = self.temporary + "/out2.tar"
        self.as_nobody("export", "-o", out, self.app)
        self.as_nobody("import", out, f"docker-archive:{again}:app:2")
        self.assertEqual(self.as_nobody("diff", self.app, again).stdout, "")

    # cp

    def test_files_are_copied_out_of_an_image(self):
        target = self.temporary + "/out"
        os.mkdir(target)
        os.chown(target, nobody.NOBODY, nobody.NOBODY)
        image = "docker-archive:" + self.app
        def content(*name):
            with open(os.path.join(target, *name), "rb") as file:
                return file.read()
        self.as_nobody("cp", image + ":/etc/a", target + "/one")
        self.assertEqual(content("one"), b"two!")
        self.as_nobody("cp", image + ":/etc", target)
        self.assertEqual(content("etc/c"), b"one")
        self.assertTrue(os.path.samefile(target + "/etc/b", target + "/etc/c"))
        self.as_nobody("cp", image + ":/data/.", target)
        self.assertEqual(content("z"), b"4444")
        self.as_nobody("cp", image + ":/lib/l", target + "/through")
        self.assertEqual(content("through"), b"library")
        self.as_nobody("cp", image + ":/lib", target)
        self.assertEqual(os.readlink(target + "/lib"), "usr/lib")
        self.as_nobody("cp", "-L", image + ":/lib", target + "/followed")
        self.assertEqual(content("followed/l"), b"library")
        tar = subprocess.run([IMAGETOOL, "--root", self.path("none"), "cp", image + ":/etc", "-"], check=True,
                             capture_output=True).stdout
        with open(self.path("etc.tar"), "wb") as file:
            file.write(tar)
        with tarfile.open(self.path("etc.tar")) as archive:
            self.assertEqual(archive.getnames(), ["etc", "etc/a", "etc/b", "etc/c"])
        for source, text in ((":/none", "/none"), (":/etc/a/", "directory"), (":/etc/a/.", "directory")):
            self.assert_fails(self.as_nobody("cp", image + source, target + "/x", check=False), text)
        self.assert_fails(self.as_nobody("cp", image + ":/etc", target + "/one", check=False), "one")
        store = harness.Store(self.path("store"))
        store("load", "-i", self.app)
        store("cp", "app:1:/etc/a", self.path("from-store"))
        with open(self.path("from-store"), "rb") as file:
            self.assertEqual(file.read(), b"two!")

    # copy

    def test_every_kind_to_every_kind(self):
        kinds = {"docker-archive": "tar", "oci-archive": "tar", "oci": "dir"}
        listing = self.as_nobody("ls", "-lR", self.app).stdout
        image = self.as_nobody("copy", self.app, f"oci:{self.temporary}/out.first:app:1").stdout
        sources = [self.app, f"oci:{self.temporary}/out.first"]
        for number, source in enumerate(sources):
            for kind, suffix in kinds.items():
                with self.subTest(source=source, kind=kind):
                    out = f"{self.temporary}/out{number}-{kind}.{suffix}"
                    self.assertEqual(self.as_nobody("copy", source, f"{kind}:{out}").stdout, image)
                    self.assertEqual(self.as_nobody("ls", "-lR", f"{kind}:{out}:app:1").stdout, listing)

    def test_a_layout_keeps_its_bytes(self):
        first, second = self.temporary + "/out.first", self.temporary + "/out.second"
        self.as_nobody("copy", "--compress", "zstd", "--level", "19", self.app, f"oci:{first}:app:1")
        # What another tool wrote into the manifest stays, and so does its digest.
        entry = entries(first)[0]
        path = os.path.join(first, "blobs/sha256", entry["digest"][7:])
        manifest = json.dumps({**read_json(path), "annotations": {"who": "another"}}, indent=3).encode()
        os.unlink(path)
        digest = hashlib.sha256(manifest).hexdigest()
        with open(os.path.join(first, "blobs/sha256", digest), "wb") as file:
            file.write(manifest)
        index = read_json(first, "index.json")
        index["manifests"][0].update(digest="sha256:" + digest, size=len(manifest))
        with open(os.path.join(first, "index.json"), "w", encoding="utf-8") as file:
            json.dump(index, file)
        self.as_nobody("copy", f"oci:{first}", f"oci:{second}:app:2")
        self.assertEqual(blobs(second), blobs(first))
        self.assertEqual(entries(second)[0]["digest"], "sha256:" + digest)
        self.assertEqual(entries(second)[0]["annotations"]["org.opencontainers.image.ref.name"], "2")
        packed = self.temporary + "/out.gzip"
        self.as_nobody("copy", "--compress", "gzip", f"oci:{first}", f"oci:{packed}")
        types = {layer["mediaType"] for layer in read_json(packed, "blobs/sha256", entries(packed)[0]["digest"][7:])["layers"]}
        self.assertEqual(types, {"application/vnd.oci.image.layer.v1.tar+gzip"})

    def test_layers_that_do_not_change_keep_their_bytes(self):
        first, second = self.temporary + "/out.first", self.temporary + "/out.second"
        self.as_nobody("copy", "--compress", "zstd", self.app, f"oci:{first}:app:1")
        self.as_nobody("config", f"oci:{first}", "--env", "A=b", "-t", f"oci:{second}:app:2")
        def layers(layout):
            return read_json(layout, "blobs/sha256", entries(layout)[0]["digest"][7:])["layers"]
        self.assertEqual(layers(first), layers(second))

    def test_several_images(self):
        both = self.temporary + "/out.tar"
        self.as_nobody("copy", self.base, self.app, f"docker-archive:{both}")
        with tarfile.open(both) as archive:
            self.assertEqual(len([n for n in archive.getnames() if n.endswith(".tar")]), len(LAYERS))
        layout = self.temporary + "/out.layout"
        self.as_nobody("copy", both, f"oci:{layout}")
        self.assertEqual([entry["annotations"]["io.containerd.image.name"] for entry in entries(layout)],
                         ["docker.io/library/base:1", "docker.io/library/app:1"])
        one = self.temporary + "/out.one"
        self.as_nobody("copy", f"oci:{layout}:base:1", f"oci:{one}:other:3")
        self.assertEqual(len(entries(one)), 1)

    def test_all_keeps_the_index(self):
        first, second = self.temporary + "/out.first", self.temporary + "/out.second"
        self.as_nobody("copy", self.app, f"oci:{first}:app:1")
        other = self.temporary + "/out.other"
        self.as_nobody("config", self.base, "--arch", "riscv64", "--os", "linux", "-t", f"oci:{other}:base:1")
        for blob in blobs(other):
            shutil.copy(os.path.join(other, "blobs/sha256", blob), os.path.join(first, "blobs/sha256", blob))
        children = [{**entry, "annotations": {}} for entry in entries(first) + entries(other)]
        inner = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                            "manifests": children}, indent=1).encode()
        digest = hashlib.sha256(inner).hexdigest()
        with open(os.path.join(first, "blobs/sha256", digest), "wb") as file:
            file.write(inner)
        with open(os.path.join(first, "index.json"), "w", encoding="utf-8") as file:
            json.dump({"schemaVersion": 2, "manifests": [
                {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + digest,
                 "size": len(inner), "annotations": {"org.opencontainers.image.ref.name": "multi", "x": "y"}}]}, file)
        printed = self.as_nobody("copy", "--all", f"oci:{first}:multi", f"oci:{second}").stdout
        self.assertEqual(printed, f"sha256:{digest}\n")
        self.assertEqual(blobs(second), blobs(first))
        self.assertEqual(entries(second), entries(first))
        archive = self.temporary + "/out.tar"
        self.as_nobody("copy", "--all", f"oci:{first}", f"oci-archive:{archive}:app:7")
        for platform, name in (("linux/amd64", "/data/z"), ("linux/riscv64", "/keep")):
            self.as_nobody("cat", "--platform", platform, archive, name)
        # A blob that is not what its descriptor says, and one that is not there.
        with open(os.path.join(second, "blobs/sha256", blobs(other)[0]), "ab") as file:
            file.write(b"x")
        third = self.temporary + "/out.third"
        self.assert_fails(self.as_nobody("copy", "--all", f"oci:{second}", f"oci:{third}", check=False), blobs(other)[0])
        self.assertFalse(os.path.exists(third))
        os.unlink(os.path.join(second, "blobs/sha256", blobs(other)[0]))
        self.assert_fails(self.as_nobody("copy", "--all", f"oci:{second}", f"oci:{third}", check=False), "missing")

    # Layouts that are there

    def contents(self, layout):
        """Every file with its inode: what stays is not written anew."""
        return {path: os.lstat(path).st_ino for path in
                (os.path.join(top, name) for top, _, names in os.walk(layout) for name in names)}

    def names(self, layout):
        return [entry.get("annotations", {}).get("io.containerd.image.name") for entry in entries(layout)]

    def test_a_layout_takes_more_images(self):
        layout = self.temporary + "/out.layout"
        self.as_nobody("copy", self.base, f"oci:{layout}:base:1")
        before = self.contents(layout)
        index = read_json(layout, "index.json")
        index["annotations"] = {"who": "another"}
        with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
            json.dump(index, file)
        self.as_nobody("copy", self.app, f"oci:{layout}:app:2")
        after = self.contents(layout)
        del before[layout + "/index.json"]
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertEqual(self.names(layout), ["docker.io/library/base:1", "docker.io/library/app:2"])
        self.assertEqual(read_json(layout, "index.json")["annotations"], {"who": "another"})
        for name, archive in (("base:1", self.base), ("app:2", self.app)):
            self.assertEqual(self.as_nobody("ls", "-lR", f"oci:{layout}:{name}").stdout,
                             self.as_nobody("ls", "-lR", archive).stdout)
        # Again: nothing changes.
        self.as_nobody("copy", self.app, f"oci:{layout}:app:2")
        self.assertEqual(len(entries(layout)), 2)
        self.assertEqual(set(self.contents(layout)), set(after))
        # Under one more name, and under a name that another image has.
        self.as_nobody("copy", self.app, f"oci:{layout}:base:3")
        self.as_nobody("copy", self.app, f"oci:{layout}:base:1")
        self.assertEqual(self.names(layout), [f"docker.io/library/{n}" for n in ("app:2", "base:3", "base:1")])
        self.assertEqual(len({entry["digest"] for entry in entries(layout)}), 1)
        self.assertLessEqual(set(before), set(self.contents(layout)))
        self.as_nobody("squash", "--all", self.app, "-t", f"oci:{layout}:small:1")
        self.assertEqual(self.names(layout)[-1], "docker.io/library/small:1")
        store = harness.Store(self.path("store"))
        store("load", "-i", self.base)
        store("save", "--format", "oci-dir", "-o", layout, "base:1")
        self.assertEqual(self.names(layout)[-1], "docker.io/library/base:1")

    def test_images_without_a_name_are_there_once(self):
        layout = self.temporary + "/out.layout"
        bare = self.temporary + "/out.bare"
        self.as_nobody("copy", self.app, f"oci:{bare}")
        index = read_json(bare, "index.json")
        del index["manifests"][0]["annotations"]
        with open(os.path.join(bare, "index.json"), "w", encoding="utf-8") as file:
            json.dump(index, file)
        for target, names in (("", [None]), ("", [None]), (":app:1", ["docker.io/library/app:1"]),
                              ("", ["docker.io/library/app:1"])):
            self.as_nobody("copy", f"oci:{bare}", f"oci:{layout}{target}")
            self.assertEqual(self.names(layout), names)

    def test_other_tools_read_what_was_added_and_add_themselves(self):
        if shutil.which("skopeo") is None or shutil.which("umoci") is None:
            self.skipTest("needs skopeo and umoci")
        layout = self.path("layout")
        policy = self.path("policy.json")
        with open(policy, "w", encoding="utf-8") as file:
            json.dump({"default": [{"type": "insecureAcceptAnything"}]}, file)

        def skopeo(*arguments):
            return run("skopeo", "--policy", policy, *arguments).stdout
        store = harness.Store(self.path("store"))
        skopeo("copy", "docker-archive:" + self.base, f"oci:{layout}:first")
        store("copy", self.app, f"oci:{layout}:app:second")
        skopeo("copy", "docker-archive:" + self.base, f"oci:{layout}:third")
        tags = run("umoci", "ls", "--layout", layout).stdout.split()
        self.assertEqual(sorted(tags), ["first", "second", "third"])
        for tag, layers in (("first", BASE), ("second", LAYERS), ("third", BASE)):
            self.assertEqual(len(json.loads(skopeo("inspect", f"oci:{layout}:{tag}"))["Layers"]), len(layers))
            skopeo("copy", f"oci:{layout}:{tag}", f"docker-archive:{self.path(tag + '.tar')}:x:1")
            listing = store("ls", "-lR", self.path(tag + ".tar")).stdout
            self.assertEqual(listing, store("ls", "-lR", self.base if layers == BASE else self.app).stdout)
        # A name of skopeo's is a tag: the image that had it loses it.
        store("copy", self.app, f"oci:{layout}:app:first")
        self.assertEqual(sorted(run("umoci", "ls", "--layout", layout).stdout.split()), ["first", "second", "third"])
        self.assertEqual(len(json.loads(skopeo("inspect", f"oci:{layout}:first"))["Layers"]), len(LAYERS))
        run("umoci", "unpack", "--image", f"{layout}:second", self.path("bundle"))
        found, wanted = harness.tree(self.path("bundle/rootfs")), self.applied(LAYERS)
        for record in (*found.values(), *wanted.values()):
            if int(record["mode"], 8) & 0o170000 == 0o040000:
                del record["mtime_ns"]  # umoci gives directories that a later layer touches its own
        self.assert_same(wanted, found)

    def test_all_adds_to_a_layout(self):
        first, second = self.temporary + "/out.first", self.temporary + "/out.second"
        self.as_nobody("copy", self.base, f"oci:{first}:base:1")
        self.as_nobody("copy", self.app, f"oci:{second}:app:1")
        self.as_nobody("copy", "--all", f"oci:{first}", f"oci:{second}")
        self.as_nobody("copy", "--all", f"oci:{first}", f"oci:{second}")
        self.assertEqual(self.names(second), ["docker.io/library/app:1", "docker.io/library/base:1"])
        # Into itself, under another name.
        self.as_nobody("copy", "--all", f"oci:{second}:app:1", f"oci:{second}:app:2")
        self.assertEqual(len(self.names(second)), 3)

    def test_a_failure_leaves_a_layout_as_it_was(self):
        layout = self.temporary + "/out.layout"
        self.as_nobody("copy", self.base, f"oci:{layout}:base:1")
        before = self.contents(layout)
        with open(self.app, "rb") as file:
            content = bytearray(file.read())
        content[content.index(b"4444")] ^= 1
        damaged = self.path("damaged.tar")
        with open(damaged, "wb") as file:
            file.write(content)
        os.chmod(damaged, 0o644)
        self.assert_fails(self.as_nobody("copy", damaged, f"oci:{layout}:app:2", check=False), "does not match its digest")
        self.assertEqual(self.contents(layout), before)
        # A blob that is not what its name says is written anew.
        blob = os.path.join(layout, "blobs/sha256", entries(layout)[0]["digest"][7:])
        size = os.path.getsize(blob)
        with open(blob, "wb") as file:
            file.write(b"x" * size)
        self.as_nobody("copy", self.base, f"oci:{layout}:base:1")
        self.as_nobody("ls", "-lR", f"oci:{layout}:base:1")
        for name, text in (("index.json", "index.json"), ("oci-layout", "oci-layout")):
            with open(os.path.join(layout, name), "rb") as file:
                good = file.read()
            with open(os.path.join(layout, name), "wb") as file:
                file.write(b"nonsense")
            before = self.contents(layout)
            self.assert_fails(self.as_nobody("copy", self.app, f"oci:{layout}:app:2", check=False), text)
            self.assertEqual(self.contents(layout), before)
            with open(os.path.join(layout, name), "wb") as file:
                file.write(good)
        # No symlink is followed out of it.
        elsewhere = self.temporary + "/out.elsewhere"
        os.rename(os.path.join(layout, "blobs"), elsewhere)
        os.symlink(elsewhere, os.path.join(layout, "blobs"))
        before = self.contents(elsewhere)
        self.assert_fails(self.as_nobody("copy", self.app, f"oci:{layout}:app:2", check=False), "blobs")
        self.assertEqual(self.contents(elsewhere), before)

    def test_copies_from_and_to_the_store(self):
        store = harness.Store(self.path("store"))
        image = store("copy", self.app, "app:5").stdout
        layout = self.path("layout")
        self.assertEqual(store("copy", "app:5", f"oci:{layout}").stdout, image)
        self.assertEqual(entries(layout)[0]["annotations"]["org.opencontainers.image.ref.name"], "5")
        self.assertEqual(store("copy", f"oci:{layout}", "app:6").stdout, image)
        self.assertEqual(store.staging(), [])

    def test_errors_of_copy(self):
        layout = "oci:" + self.temporary + "/out.layout"
        for arguments, text in (
                (["copy", self.app], "where to"),
                (["copy", self.app, "docker://x"], "'docker'"),
                (["copy", "nosuch", layout], "nosuch"),
                (["copy", self.app, self.base, layout + ":x:1"], "2 images"),
                (["copy", "--level", "3", self.app, layout], "--compress"),
                (["copy", "--level", "10", "--compress", "gzip", self.app, layout], "1 to 9"),
                (["copy", "--all", self.app, layout], "index.json"),
                (["copy", "--all", "--platform", "linux/amd64", self.app, layout], "--platform"),
                (["copy", "--all", self.app, "docker-archive:/x.tar"], "docker-archive"),
                (["copy", "--all", self.app, "name:1"], "--all"),
                (["copy", "--have", self.base, self.app, "name:1"], "--have"),
                (["copy", "--have", "nosuch", self.app, layout], "nosuch"),
                (["export", "nosuch"], "nosuch"),
                (["export", "-o", "/nosuch/x", self.app], "'/nosuch'")):
            with self.subTest(arguments):
                self.assert_fails(self.as_nobody(*arguments, check=False), text)
                self.assertFalse(os.path.exists(layout[4:]))

    # Archives without what the receiver has

    def test_a_delta_has_the_new_layers_alone(self):
        for kind in ("docker-archive", "oci-archive"):
            with self.subTest(kind):
                delta = f"{self.temporary}/out-{kind}.tar"
                self.as_nobody("copy", "--have", self.base, self.app, f"{kind}:{delta}")
                whole = f"{self.temporary}/out-{kind}-whole.tar"
                self.as_nobody("copy", self.app, f"{kind}:{whole}")
                with tarfile.open(delta) as archive, tarfile.open(whole) as all_of_it:
                    missing = set(all_of_it.getnames()) - set(archive.getnames())
                self.assertEqual(len(missing), len(BASE))
                store = harness.Store(self.path("store-" + kind))
                failed = store("load", "-i", delta, check=False)
                self.assert_fails(failed, "load the image that the archive builds on first")
                self.assertIn(f"layer 1/{len(LAYERS)}", failed.stderr)
                self.assertEqual(store("images", "-q").stdout, "")
                self.assertEqual(store.staging(), [])
                store("load", "-i", self.base)
                store("load", "-i", delta)
                self.assertEqual(store("ls", "-lR", "app:1").stdout, self.as_nobody("ls", "-lR", self.app).stdout)

    def test_save_leaves_out_what_is_had(self):
        store = harness.Store(self.path("store"))
        store("load", "-i", self.base)
        store("load", "-i", self.app)
        delta, whole = self.path("delta.tar"), self.path("whole.tar")
        store("save", "--have", "base:1", "-o", delta, "app:1")
        store("save", "-o", whole, "app:1")
        self.assertLess(os.path.getsize(delta), os.path.getsize(whole))
        with tarfile.open(delta) as archive:
            self.assertEqual(len([n for n in archive.getnames() if n.endswith(".tar")]), 1)
        store("save", "--have", self.app, "-o", delta, "app:1")
        with tarfile.open(delta) as archive:
            self.assertEqual([n for n in archive.getnames() if n.endswith(".tar")], [])


if __name__ == "__main__":
    harness.main()
