"""SIGKILL before every single call of a command that changes the file system.

After each: `check` finds nothing that `check --repair` does not mend, what images there are are
whole, and the same command then succeeds.
"""
import itertools
import os
import shutil

import harness
import small_images

KILLER = os.environ["KILL_AT_SYSCALL"]
STEP = 11 if harness.SANITIZED else 1
# LeakSanitizer cannot look at a process that is traced, and fails.
TRACED = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}

BASE = small_images.layer(
    ("d", None), ("d/kept", b"kept\n"), ("d/gone", b"gone\n"), ("d/linked", "-> d/kept"), ("s", "~> d/kept"),
    ("e", None), ("e/below", b"below\n"))
TOP = small_images.layer(
    ("d/.wh.gone", b""), ("d/kept", b"first\n"), ("d/kept", b"second\n"), ("e/.wh..wh..opq", b""),
    ("e/own", b"own\n"), ("new/deep/file", b"x" * 70000))
SIDE = small_images.layer(("side", b"another image on the same base\n"))


class CrashPointsTest(harness.TestCase):
    DRIVER = "overlay2"

    def setUp(self):
        super().setUp()
        self.images = {
            "one:latest": small_images.write_archive(self.path("one.tar"), "one:latest", [BASE, TOP]),
            "two:latest": small_images.write_archive(self.path("two.tar"), "two:latest", [BASE, SIDE])}

    def load(self, store, archive):
        store("--driver", self.DRIVER, "load", "-i", self.path(archive))

    def killed(self, at, arguments):
        """The command, killed before its call number `at`. The name of the call, or None when the
        command ended before."""
        report = self.path("report")
        harness.run(KILLER, str(at), report, harness.IMAGETOOL, "--root", self.store.root,
                    "--driver", self.DRIVER, *arguments, env=TRACED)
        with open(report, encoding="ascii") as file:
            words = file.read().split()
        if words[0] == "killed":
            return words[2]
        self.assertEqual(words[2], "0", f"{arguments} failed")
        return None

    def check_after(self, call, known, *, deep=False):
        """Mends the store; every image in it is one of `known` and whole."""
        if not os.path.exists(os.path.join(self.store.root, "version")):
            return  # killed while the store itself was made: there is none
        repaired = self.store("check", "--repair", *(["--deep"] if deep else []), check=False)
        self.assertEqual(repaired.returncode, 0, f"{call}: {repaired.stdout}{repaired.stderr}")
        again = self.store("check", "--deep", check=False)
        self.assertEqual(again.returncode, 0, f"{call}: {again.stdout}{again.stderr}")
        for image in self.store.image_ids():
            self.assertIn(image, known, call)
            self.store("save", "-o", "/dev/null", image)
        self.assertEqual(self.store.staging(), [], call)

    def kill_everywhere(self, prepare, arguments, known, *, finish=None, deep=False):
        """Runs the command anew for each of its calls. `finish` is the command that must then
        succeed, the same one by default; `deep`: only a deep repair mends what it leaves."""
        template = harness.Store(self.path("template"))
        prepare(template)
        for at in itertools.count(1, STEP):
            shutil.rmtree(self.store.root, ignore_errors=True)
            if os.path.exists(template.root):
                harness.run("cp", "-a", template.root, self.store.root)
            call = self.killed(at, arguments)
            if call is None:
                break
            where = f"{arguments[0]} killed before call {at} ({call})"
            with self.subTest(where):
                self.check_after(where, known, deep=deep)
                self.store("--driver", self.DRIVER, *(finish or arguments))
                self.check_after(where + ", and finished", known)
        self.assertGreater(at, 10)
        every = "each" if STEP == 1 else f"every {STEP}th"
        print(f"{self.DRIVER}, {arguments[0]}: killed before {every} of its calls, up to {at - STEP}")

    def test_load_into_a_new_store(self):
        self.kill_everywhere(lambda store: None, ["load", "-i", self.path("one.tar")],
                             {self.images["one:latest"]})
        self.assertEqual(self.store.image_ids(), [self.images["one:latest"]])

    def test_load_beside_an_image_that_shares_a_layer(self):
        self.kill_everywhere(lambda store: self.load(store, "one.tar"),
                             ["load", "-i", self.path("two.tar")], set(self.images.values()))
        self.assertEqual(set(self.store.image_ids()), set(self.images.values()))

    def test_removal_of_an_image(self):
        def prepare(store):
            self.load(store, "one.tar")
            self.load(store, "two.tar")

        self.kill_everywhere(prepare, ["rmi", "two:latest"], set(self.images.values()),
                             finish=["rmi", "-f", "two:latest", self.images["two:latest"]])
        self.assertEqual(self.store.image_ids(), [self.images["one:latest"]])


class LayoutCrashPointsTest(harness.TestCase):
    """An image that is added to an OCI layout."""

    def test_a_layout_is_whole_whenever_the_copy_ends(self):
        archives = {name: self.path(name + ".tar") for name in ("one", "two")}
        small_images.write_archive(archives["one"], "one:latest", [BASE, TOP])
        small_images.write_archive(archives["two"], "two:latest", [BASE, SIDE])
        listings = {name: self.store("ls", "-lR", path).stdout for name, path in archives.items()}
        template, layout = self.path("template"), self.path("layout")
        for present in ([], ["one"]):
            for name in present:
                self.store("copy", archives[name], "oci:" + template)
            for at in itertools.count(1, STEP):
                shutil.rmtree(layout, ignore_errors=True)
                if present:
                    harness.run("cp", "-a", template, layout)
                report = self.path("report")
                copy = ["copy", archives["two"], "oci:" + layout]
                harness.run(KILLER, str(at), report, harness.IMAGETOOL, "--root", self.store.root, *copy, env=TRACED)
                with open(report, encoding="ascii") as file:
                    words = file.read().split()
                if words[0] != "killed":
                    self.assertEqual(words[2], "0")
                    break
                with self.subTest(f"killed before call {at} ({words[2]})"):
                    for name in present:
                        listing = self.store("ls", "-lR", f"oci:{layout}:{name}:latest").stdout
                        self.assertEqual(listing, listings[name])
                    self.store(*copy)
                    for name in [*present, "two"]:
                        listing = self.store("ls", "-lR", f"oci:{layout}:{name}:latest").stdout
                        self.assertEqual(listing, listings[name])
                    left = [n for _, _, names in os.walk(layout) for n in names if n.startswith(".layerkit")]
                    self.assertLessEqual(len(left), 1)
            self.assertGreater(at, 10)


class AufsCrashPointsTest(CrashPointsTest):
    """A layer comes and goes in more steps."""
    DRIVER = "aufs"

    def test_repair_of_layers(self):
        def prepare(store):
            self.load(store, "one.tar")
            aufs = os.path.join(store.root, "aufs")
            for layer in os.listdir(os.path.join(aufs, "diff")):
                os.chmod(os.path.join(aufs, "diff", layer, "d"), 0o700)
                os.unlink(os.path.join(aufs, "layers", layer))
            os.mkdir(os.path.join(aufs, "records", "stray"))
            os.mkdir(os.path.join(aufs, "diff", "stray"))

        self.kill_everywhere(prepare, ["check", "--deep", "--repair"], {self.images["one:latest"]},
                             deep=True)
        self.assertEqual(self.store.image_ids(), [self.images["one:latest"]])


if __name__ == "__main__":
    harness.main()
