"""Archives that are damaged or do not fit: one clear error, nothing published, nothing left."""
import gzip
import io
import json
import os
import pty
import random
import subprocess
import tarfile

import demo_image
import harness


def members(path):
    with tarfile.open(path) as archive:
        return [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]


def write_archive(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


class BrokenArchivesTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.files = [(name.removeprefix("./"), data) for name, data in members(demo_image.archive())]
        self.layer_names = json.loads(dict(self.files)["manifest.json"])[0]["Layers"]

    def check_refused(self, archive, *texts, store=None):
        store = store or self.store
        self.assert_fails(store("load", "-i", archive, check=False), *texts)
        self.assertEqual(store.image_ids(), [])
        self.assertEqual(store.staging(), [])
        self.assertEqual(store.layer_dirs(), [])

    def test_random_bytes(self):
        archive = self.path("random")
        for size in [1, 100, 512, 1_000_000]:
            with open(archive, "wb") as file:
                file.write(random.Random(size).randbytes(size))
            self.check_refused(archive, "is not an image archive")

    def test_a_name_that_writes_to_the_terminal(self):
        archive = self.path("\x1b]0;title\x07.tar.gz")
        with open(demo_image.archive(), "rb") as file, gzip.open(archive, "wb", compresslevel=1) as packed:
            packed.write(file.read())
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        with open(end, "wb") as stderr:
            subprocess.run([harness.IMAGETOOL, "--root", self.store.root, "load", "-i", archive],
                           stdout=subprocess.DEVNULL, stderr=stderr, check=True)
            shown = os.read(terminal, 1 << 16)
        self.assertIn(rb"/\x1b]0;title\x07.tar.gz", shown)
        self.assertNotIn(b"\x1b]", shown)
        self.assertNotIn(b"\x07", shown)

    def test_an_empty_file_and_a_missing_one(self):
        with open(self.path("empty"), "wb"):
            pass
        self.check_refused(self.path("empty"), "is not an image archive")
        self.check_refused(self.path("none"), "none", "No such file or directory")

    def test_a_truncated_archive(self):
        with open(demo_image.archive(), "rb") as file:
            whole = file.read()
        for cut in [len(whole) // 3, len(whole) // 2, len(whole) - 20_000]:
            with open(self.path("cut.tar"), "wb") as file:
                file.write(whole[:cut])
            self.check_refused(self.path("cut.tar"))

    def test_a_layer_with_a_wrong_digest(self):
        name = self.layer_names[1]
        files = [(n, d.replace(b"Hello from", b"Hacked frm") if n == name else d) for n, d in self.files]
        write_archive(self.path("a.tar"), files)
        self.check_refused(self.path("a.tar"), "layer 2/3", "digest")

    def test_a_missing_layer(self):
        write_archive(self.path("a.tar"), [f for f in self.files if f[0] != self.layer_names[2]])
        self.check_refused(self.path("a.tar"), self.layer_names[2])

    def test_a_full_disk(self):
        target = self.path("small")
        os.mkdir(target)
        harness.run("mount", "-t", "tmpfs", "-o", "size=3m", "small", target)
        self.check_refused(demo_image.archive(), "No space left on device",
                           store=harness.Store(os.path.join(target, "store")))

    def test_after_a_refusal_the_good_archive_loads(self):
        write_archive(self.path("a.tar"), [f for f in self.files if f[0] != self.layer_names[2]])
        self.store("load", "-i", self.path("a.tar"), check=False)
        self.store("load", "-i", demo_image.archive())
        self.assertEqual(self.store("images", "--format", "{{.Repository}}:{{.Tag}}").stdout,
                         "demo:latest\n")


if __name__ == "__main__":
    harness.main()
