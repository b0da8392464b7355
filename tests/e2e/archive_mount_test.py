"""Images of archives mounted where they lie. What is right is what the unpacked image shows."""
import io
import os
import shutil
import subprocess
import tarfile

import harness
import small_images
from harness import IMAGETOOL, run

LAYERS = [
    small_images.layer(
        ("etc", None), ("etc/a", b"one"), ("etc/b", "-> etc/a"), ("lib", "~> usr/lib"), ("usr", None),
        ("usr/lib", None), ("usr/lib/x", b"library" * 1000), ("data", None), ("data/d1", b"1"), ("gone", b"333"),
        ("n" * 200, b"a long name"), ("empty", b"")),
    small_images.layer(
        ("etc/c", "-> etc/b"), (".wh.gone", b""), ("data", None), ("data/.wh..wh..opq", b""), ("data/d3", b"4444")),
    small_images.layer(("etc", None), ("etc/a", b"two!"), ("data/.wh.d3", b""), ("missing/parents/file", b"x")),
]


def in_place_is_possible():
    """Whether this kernel mounts EROFS images that are plain files."""
    directory = run("mktemp", "-d", "/var/tmp/layerkit-e2e-XXXXXX").stdout.strip()
    try:
        archive = os.path.join(directory, "probe.tar")
        small_images.write_archive(archive, "probe:1", LAYERS)
        result = run(IMAGETOOL, "--root", directory + "/store", "mount", archive, directory + "/mnt", check=False)
        run("umount", directory + "/mnt", check=False)
        return "unpacked into the store instead" not in result.stderr
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class ArchiveMountTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        if not in_place_is_possible():
            self.skipTest("this kernel mounts no EROFS image from a plain file")
        self.archive = self.path("app.tar")
        self.id = small_images.write_archive(self.archive, "app:1", LAYERS)
        self.target = self.path("mnt")

    def mount(self, *arguments, **options):
        return self.store("mount", *arguments, **options)

    def assert_shows_the_image(self, target):
        """As the same image unpacked in a store of its own."""
        self.assertEqual(harness.tree_differences(self.unpacked(self.archive), self.tree(target)), "")

    def tree(self, directory):
        """An image without layers has a root from now."""
        found = harness.tree(directory)
        if len(found) == 1:
            del found[b"."]["mtime_ns"]
        return found

    def unpacked(self, archive):
        shutil.rmtree(self.path("other"), ignore_errors=True)
        other = harness.Store(self.path("other"))
        other("load", "-i", archive)
        directory = other("mount", other.image_ids()[0]).stdout.strip()
        try:
            return self.tree(directory)
        finally:
            run("umount", directory)

    def options_of(self, target):
        return run("findmnt", "-n", "-o", "OPTIONS", target).stdout.strip().split(",")

    def test_it_shows_what_the_unpacked_image_shows(self):
        result = self.mount(self.archive, self.target)
        self.assertEqual((result.stdout, result.stderr), (self.target + "\n", ""))
        self.assert_shows_the_image(self.target)
        self.assertEqual(self.store.image_ids(), [], "nothing is stored")
        self.assertLessEqual({"ro", "nosuid", "nodev"}, set(self.options_of(self.target)))

    def test_other_formats(self):
        """Gzip, zstd and no compression; a tar and a directory; an archive that is compressed itself."""
        for number, (target, *options) in enumerate((
                ("oci-archive:{}", "--compress", "gzip"), ("oci:{}", "--compress", "zstd"),
                ("oci:{}", "--compress", "none"), ("docker-archive:{}", "--compress", "gzip"))):
            place = self.path(f"copy{number}")
            run(IMAGETOOL, "copy", *options, self.archive, target.format(place) + ":app:1")
            self.mount(place, self.target)
            self.assert_shows_the_image(self.target)
            self.store("unmount", self.target)
        with open(self.archive, "rb") as file, open(self.path("packed.tar.gz"), "wb") as packed:
            subprocess.run(["gzip"], stdin=file, stdout=packed, check=True)
        self.mount(self.path("packed.tar.gz"), self.target)
        self.assert_shows_the_image(self.target)

    def test_one_layer_and_none(self):
        for number, layers in enumerate((LAYERS[:1], [])):
            archive = self.path(f"few{number}.tar")
            small_images.write_archive(archive, "few:1", layers)
            self.mount("docker-archive:" + archive, self.target)
            self.assertEqual(sorted(os.listdir(self.target)),
                             ["data", "empty", "etc", "gone", "lib", "n" * 200, "usr"] if layers else [])
            self.assertLessEqual({"ro", "nosuid", "nodev"}, set(self.options_of(self.target)))
            self.store("unmount", self.target)

    def test_it_is_listed_and_undone(self):
        self.mount(self.archive, self.target)
        self.assertEqual(self.mount().stdout, f"{self.id} {self.target}\n")
        self.assert_fails(self.mount(self.archive, self.target, check=False), "mounted there already")
        self.store("unmount", self.target)
        self.assertFalse(os.path.exists(self.target), "it was made for the mount")
        self.assertEqual(self.mount().stdout, "")
        self.assertEqual(harness.mounts_below(self.dir), [])

    def test_without_a_place_it_gets_one(self):
        target = self.mount(self.archive).stdout.strip()
        self.assert_shows_the_image(target)
        self.store("unmount", target)

    def test_the_files_live_as_long_as_the_mount(self):
        self.mount(self.archive, self.target)
        self.assert_shows_the_image(self.target)
        os.unlink(self.archive)
        self.assertEqual(harness.tree(self.target)[b"usr/lib/x"]["size"], 7000)
        with open(os.path.join(self.target, "usr/lib/x"), "rb") as file:
            self.assertEqual(file.read(), b"library" * 1000)

    def test_a_layer_that_was_changed_is_refused(self):
        with open(self.archive, "r+b") as file:
            content = file.read()
            place = content.index(b"library" * 1000) + 3000
            file.seek(place)
            file.write(b"L")
        self.assert_fails(self.mount(self.archive, self.target, check=False), "layer 1/3", "sha256:")
        self.assertFalse(os.path.exists(self.target))
        self.assertEqual(harness.mounts_below(self.dir), [])
        self.mount("--no-verify", self.archive, self.target)
        with open(os.path.join(self.target, "usr/lib/x"), "rb") as file:
            self.assertNotEqual(file.read(), b"library" * 1000)

    def test_where_the_kernel_cannot_it_is_unpacked(self):
        """It reads no image from a tmpfs."""
        result = self.mount(self.archive, self.target, env={**os.environ, "TMPDIR": "/dev/shm"})
        self.assertIn("imagetool: warning: ", result.stderr)
        self.assertIn("the file is on a tmpfs, from which the kernel cannot", result.stderr)
        self.assertIn("unpacked into the store instead", result.stderr)
        self.assertEqual(self.store.image_ids(), [self.id])
        self.assert_shows_the_image(self.target)
        self.store("unmount", self.target)

    def test_what_cannot_be(self):
        self.assert_fails(self.mount("--mount-backend", "fuse", self.archive, self.target, check=False),
                          "archives are mounted by overlay")
        self.assert_fails(self.mount(self.path("absent.tar"), self.target, check=False), "absent.tar")
        self.assert_fails(self.mount("docker-archive:" + self.archive + ":other", self.target, check=False), "other")
        os.mkdir(self.path("plain"))
        self.assert_fails(self.mount(self.path("plain"), self.target, check=False), "not an image archive")
        self.assertFalse(os.path.exists(self.target))

    def test_hard_links_owners_and_attributes(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, kind, more in (
                    ("dir", tarfile.DIRTYPE, {"mode": 0o1777, "mtime": 1.5, "uid": 12, "gid": 70000}),
                    ("dir/file", tarfile.REGTYPE, {"mode": 0o4755, "mtime": 1600000000.25, "size": 5000,
                                                   "pax_headers": {"SCHILY.xattr.user.note": "x" * 300}}),
                    ("dir/other", tarfile.LNKTYPE, {"linkname": "dir/file"}),
                    ("dir/pipe", tarfile.FIFOTYPE, {"mode": 0o600}),
                    ("dir/null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3, "mode": 0o666})):
                info = tarfile.TarInfo(name)
                info.type = kind
                for key, value in more.items():
                    setattr(info, key, value)
                tar.addfile(info, io.BytesIO(b"c" * info.size))
        small_images.write_archive(self.archive, "app:1", [buffer.getvalue()])
        self.mount(self.archive, self.target)
        self.assert_shows_the_image(self.target)

    def test_the_corpus(self):
        corpus = os.environ.get("LAYERKIT_CORPUS")
        if not corpus:
            self.skipTest("LAYERKIT_CORPUS is not set")
        archives = [os.path.join(directory, name) for directory, _, names in os.walk(corpus) for name in names
                    if name.endswith((".tar", ".tar.gz", ".tar.xz"))]
        # One that holds several images has to be told which.
        archives = [path for path in archives if run(IMAGETOOL, "layers", path, check=False).returncode == 0]
        self.assertGreater(len(archives), 5)
        for number, path in enumerate(archives):
            with self.subTest(path):
                target = self.path(f"mnt{number}")
                self.mount(path, target)
                self.assertEqual(harness.tree_differences(self.unpacked(path), self.tree(target)), "")
                self.store("unmount", target)


if __name__ == "__main__":
    harness.main()
