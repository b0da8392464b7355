"""`imagetool diff` of images, single layers and containers, with contents."""
import io
import json
import os
import random
import shutil
import tarfile

import harness
import nobody
import small_images
from harness import run

BASE = small_images.layer(
    ("etc", None), ("etc/conf", b"".join(b"line %d\n" % i for i in range(30))), ("etc/same", b"same\n"),
    ("etc/bin", b"\0\1\2"), ("etc/open", b"no newline"), ("etc/big", b"x" * (1 << 20) + b"y"), ("etc/empty", b""),
    ("gone", b"1\n"), ("dir", None), ("dir/x", b"x\n"))
OLD = [BASE]
NEW = [BASE, small_images.layer(
    ("etc/conf", b"".join(b"line %d\n" % i for i in range(30) if i != 3) + b"more\n"), ("etc/bin", b"\0\1\3"),
    ("etc/open", b"no newline\n"), ("etc/big", b"z" * (1 << 20) + b"y"), ("etc/empty", b"full\n"), (".wh.gone", b""),
    ("dir", None), ("dir/.wh..wh..opq", b""), ("new", b"new\n"))]

CONF = """\
--- a/etc/conf
+++ b/etc/conf
@@ -1,7 +1,6 @@
 line 0
 line 1
 line 2
-line 3
 line 4
 line 5
 line 6
@@ -28,3 +27,4 @@
 line 27
 line 28
 line 29
+more
"""


class ImageDiffTest(nobody.TestCase):
    def archive(self, name, layers):
        path = self.path(name + ".tar")
        small_images.write_archive(path, name + ":1", layers)
        os.chmod(path, 0o644)
        return path

    def setUp(self):
        super().setUp()
        self.old, self.new = self.archive("old", OLD), self.archive("new", NEW)

    def json_rows(self, *arguments):
        return [json.loads(row) for row in
                self.as_nobody("diff", "--format", "json", *arguments).stdout.splitlines()]

    def test_contents_as_diff_u_shows_them(self):
        shown = self.as_nobody("diff", "--content", self.old, self.new).stdout
        self.assertIn("C /etc/conf (size)\n" + CONF + "C /etc/empty", shown)
        self.assertIn("Binary files a/etc/bin and b/etc/bin differ\n", shown)
        self.assertIn("Files a/etc/big and b/etc/big differ, and have more than 1048576 bytes\n", shown)
        self.assertIn("@@ -1 +1 @@\n-no newline\n\\ No newline at end of file\n+no newline\n", shown)
        self.assertIn("--- a/etc/empty\n+++ b/etc/empty\n@@ -0,0 +1 @@\n+full\n", shown)
        self.assertNotIn("etc/same", shown)
        plain = self.as_nobody("diff", self.old, self.new).stdout.splitlines()
        self.assertEqual([l for l in shown.splitlines() if l[:2] in ("A ", "C ", "D ") and l[2] == "/"], plain)

    def test_patch_takes_it(self):
        if shutil.which("patch") is None:
            self.skipTest("needs patch")
        os.mkdir(self.path("etc"))
        wanted = {}
        for layers in (OLD, NEW):
            for content in layers:
                with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                    for name in ("etc/conf", "etc/open", "etc/empty", "etc/same"):
                        if name in tar.getnames():
                            wanted[name] = tar.extractfile(name).read()
            if layers is OLD:
                for name, text in wanted.items():
                    with open(self.path(name), "wb") as file:
                        file.write(text)
        shown = self.as_nobody("diff", "--content", self.old, self.new).stdout
        run("patch", "-p1", "-d", self.path(), input=shown)
        for name, text in wanted.items():
            with open(self.path(name), "rb") as file:
                self.assertEqual(file.read(), text, name)

    def test_contents_as_json(self):
        rows = {row["Path"]: row for row in self.json_rows("--content", self.old, self.new)}
        self.assertEqual(rows["/etc/conf"]["Content"], "text")
        self.assertEqual(rows["/etc/conf"]["Diff"], CONF.split("\n", 2)[2])
        self.assertEqual({p: rows[p]["Content"] for p in ("/etc/bin", "/etc/big", "/gone", "/new")},
                         {"/etc/bin": "binary", "/etc/big": "large", "/gone": "", "/new": ""})
        latin = self.archive("latin", [small_images.layer(("f", b"caf\xe9\n"))])
        other = self.archive("other", [small_images.layer(("f", b"caf\xe8\n"))])
        self.assertEqual(self.json_rows("--content", latin, other)[0]["Diff"],
                         "@@ -1 +1 @@\n-caf\N{REPLACEMENT CHARACTER}\n+caf\N{REPLACEMENT CHARACTER}\n")
        self.assertTrue(all(row["Diff"] == "" for row in self.json_rows(self.old, self.new)))

    def test_gnu_diff_finds_as_few_changes(self):
        """Random texts: as many lines are changed as GNU diff --minimal says, and the ranges are right."""
        chance = random.Random(7)
        texts = [["".join(chance.choice("abc") + "\n" for _ in range(chance.randint(0, 30))).encode()
                  for _ in range(2)] for _ in range(60)]
        names = [f"f{i:02}" for i in range(len(texts))]
        old = self.archive("texts-old", [small_images.layer(*[(n, t[0]) for n, t in zip(names, texts)])])
        new = self.archive("texts-new", [small_images.layer(*[(n, t[1]) for n, t in zip(names, texts)])])
        rows = {row["Path"]: row["Diff"] for row in self.json_rows("--content", old, new)}
        for name, (before, after) in zip(names, texts):
            with self.subTest(name):
                found = rows.get("/" + name, "").splitlines()
                for file, content in (("before", before), ("after", after)):
                    with open(self.path(file), "wb") as target:
                        target.write(content)
                wanted = run("diff", "--minimal", "-u", self.path("before"), self.path("after"),
                             check=False).stdout.splitlines()[2:]
                count = lambda lines, mark: len([l for l in lines if l.startswith(mark)])
                self.assertEqual((count(found, "+"), count(found, "-")), (count(wanted, "+"), count(wanted, "-")))
                self.assertEqual(self.patched(before, found), after)

    def patched(self, text, hunks):
        lines, at, result = text.splitlines(True), 0, []
        for line in hunks:
            if line.startswith("@@"):
                start, _, count = line.split()[1][1:].partition(",")
                stop = int(start) - (0 if count == "0" else 1)
                result += lines[at:stop]
                at = stop
            elif line.startswith("+"):
                result.append(line[1:].encode() + b"\n")
            else:
                self.assertEqual(lines[at], line[1:].encode() + b"\n")
                result += lines[at:at + 1] if line.startswith(" ") else []
                at += 1
        return b"".join(result + lines[at:])

    def test_single_layers(self):
        layer = lambda n, image: f"layer:{n}:docker-archive:{image}"
        self.assertEqual(self.as_nobody("diff", layer(1, self.old), layer(1, self.new)).stdout, "")
        self.assertEqual(self.as_nobody("diff", layer(1, self.new), f"layer:1:{self.old}").stdout, "")
        changes = self.as_nobody("diff", layer(1, self.new), layer(2, self.new)).stdout.splitlines()
        self.assertIn("C /gone (type)", changes)
        self.assertIn("C /dir (opaque)", changes)
        self.assertIn("D /dir/x", changes)
        self.assertIn("D /etc/same", changes)
        rows = {row["Path"]: row for row in self.json_rows(layer(1, self.new), layer(2, self.new))}
        self.assertEqual(rows["/gone"]["After"]["Type"], "whiteout")
        digest = json.loads(self.as_nobody("layers", "--no-trunc", "--format", "json", self.new)
                            .stdout.splitlines()[1])["DiffID"]
        for name in (digest, digest[len("sha256:"):][:12]):
            self.assertEqual(self.as_nobody("diff", layer(1, self.new), layer(name, self.new)).stdout.splitlines(),
                             changes)
        for wrong in ("layer:3:" + self.new, "layer:0:" + self.new, "layer:zzzzzzzz:" + self.new):
            self.assert_fails(self.as_nobody("diff", wrong, self.new, check=False), "has no layer")
        self.assert_fails(self.as_nobody("diff", "layer:1:" + self.path("none"), self.new, check=False), "none")

    def test_what_layers_share_is_not_read(self):
        """Bytes of a shared layer that are damaged are not even noticed; those of others are compared."""
        paths = []
        for name, layers in (("a", [BASE, small_images.layer(("own", b"1"))]),
                             ("b", [BASE, small_images.layer(("own", b"2"))])):
            path = self.archive(name, layers)
            with open(path, "r+b") as file:
                content = file.read()
                file.seek(content.index(b"line 17"))
                file.write(name.encode())
            paths.append(path)
        self.assertEqual(self.as_nobody("diff", *paths).stdout, "C /own (contents)\n")
        # The same file in a layer on other layers is read.
        on_other = self.archive("c", [small_images.layer(("base", b"")), BASE])
        self.assertEqual(self.as_nobody("diff", paths[0], on_other).stdout.splitlines(),
                         ["A /base", "C /etc/conf (contents)", "D /own"])

    def test_containers(self):
        store = harness.Store(self.path("store"))
        archive = self.path("box.tar")
        small_images.write_archive(archive, "box:1", [small_images.busybox_layer([("etc/conf", b"1\n2\n")])])
        store("load", "-i", archive)
        run_it = lambda name, script: store("run", "--name", name, "--network", "none", "box:1", "/bin/sh", "-c", script)
        try:
            run_it("one", "echo 3 >> /etc/conf; echo 1 > /new")
            run_it("two", "echo 4 >> /etc/conf; /bin/busybox rm /bin/sh")
            self.assertEqual(store("diff", "box:1", "container:one").stdout.splitlines(),
                             ["C /etc/conf (mtime, size)", "A /new"])
            shown = store("diff", "--content", "box:1", "container:one").stdout
            self.assertIn("@@ -1,2 +1,3 @@\n 1\n 2\n+3\n", shown)
            changes = store("diff", "container:one", "container:two").stdout.splitlines()
            self.assertEqual([c.split(" (")[0] for c in changes], ["D /bin/sh", "C /etc/conf", "D /new"])
            self.assertEqual(store("diff", "container:one", "container:one").stdout, "")
            # Docker's own form.
            self.assertEqual(store("diff", "one").stdout, store("diff", "container:one").stdout)
            self.assertIn("A /new", store("diff", "one").stdout)
            store("commit", "one", "box:2")
            self.assertEqual(store("diff", "container:one", "box:2").stdout, "")
            self.assertEqual(store("diff", "box:2", self.old, check=False).returncode, 0)
            self.assert_fails(store("diff", "--content", "one", check=False), "two operands")
            self.assert_fails(store("diff", "container:none", "box:1", check=False), "No such container: none")
        finally:
            for name in ("one", "two"):
                store("rm", "-f", name, check=False)

    def test_errors(self):
        for arguments, text in (((self.old, self.path("none.tar")), "none.tar"),
                                (("--format", "{{.Nothing}}", self.old, self.new), "Nothing"),
                                (("--platform", "x", self.old, self.new), "'x'")):
            with self.subTest(arguments):
                self.assert_fails(self.as_nobody("diff", *arguments, check=False), text)
        self.assertEqual(self.as_nobody("diff", check=False).returncode, 2)


if __name__ == "__main__":
    harness.main()
