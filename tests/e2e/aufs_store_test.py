"""A store with the storage driver aufs: it works as with overlay2."""
import errno
import json
import os
import shutil
import stat
import tarfile

import harness
import small_images

LAYERS = (
    small_images.layer(("etc", None), ("etc/old", b"old\n"), ("etc/kept", b"kept\n"), ("d", None), ("d/x", b"x")),
    small_images.layer(("etc/.wh.old", b""), ("etc/link", "~> kept"), ("d/.wh..wh..opq", b""), ("d/y", b"y")),
    small_images.layer(("d", b"a file now")),
)


class AufsStoreTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.archive = self.path("image.tar")
        self.image = small_images.write_archive(self.archive, "small:latest", LAYERS)

    def info(self, *options):
        return json.loads(self.store("info", "--format", "json", *options).stdout)

    def load(self, *options):
        self.store(*options, "load", "-q", "-i", self.archive)

    def test_images_come_and_go_as_with_overlay2(self):
        self.load("--driver", "aufs")
        self.assertEqual(self.store.image_ids(), [self.image])
        self.assertEqual(sorted(os.listdir(os.path.join(self.store.root, "aufs"))),
                         ["diff", "layers", "mnt", "moving", "records"])
        self.assertFalse(os.path.exists(os.path.join(self.store.root, "overlay2")))
        self.assertEqual(self.store.inspect("small")["GraphDriver"], {"Data": None, "Name": "aufs"})
        self.assertEqual(len(self.store("history", "-q", "small").stdout.splitlines()), len(LAYERS))

        overlay = harness.Store(self.path("overlay"))
        overlay("--driver", "overlay2", "load", "-q", "-i", self.archive)
        for store in (self.store, overlay):
            store("save", "-o", store.root + ".tar", "small")
        with open(self.store.root + ".tar", "rb") as ours, open(overlay.root + ".tar", "rb") as other:
            self.assertEqual(ours.read(), other.read())

        self.store("rmi", "small")
        for part in ("diff", "layers", "mnt", "records"):
            self.assertEqual(os.listdir(os.path.join(self.store.root, "aufs", part)), [])
        self.assertEqual(self.store.staging(), [])

    def test_a_store_keeps_its_driver(self):
        self.load("--driver", "aufs")
        self.assertEqual(self.info()["Driver"], "aufs")
        self.load()
        self.load("--driver", "aufs")
        for other, command in (("overlay2", "images"), ("overlay2", "info")):
            result = self.store("--driver", other, command, check=False)
            self.assert_fails(result, "it has the storage driver aufs, not overlay2: a store keeps its driver")

    def test_info_says_which_driver_and_why(self):
        lines = self.store("info").stdout.splitlines()
        self.assertIn("Storage Driver: overlay2", lines)
        self.assertIn("Storage Driver Reason: the kernel and the file system carry it", lines)
        other = harness.Store(self.path("forced"))
        lines = other("--driver", "aufs", "info").stdout.splitlines()
        self.assertIn("Storage Driver: aufs", lines)
        self.assertIn("Storage Driver Reason: the store was made with it; overlay2 would work, too", lines)
        self.assertEqual(self.store.staging() + other.staging(), [])

    def test_where_overlay2_does_not_work_a_new_store_takes_aufs(self):
        for name in ("lower", "upper", "work", "union"):
            os.mkdir(self.path(name))
        mounted = harness.run("mount", "-t", "overlay", "overlay", self.path("union"), "-o",
                              f"lowerdir={self.path('lower')},upperdir={self.path('upper')},"
                              f"workdir={self.path('work')}", check=False)
        if mounted.returncode != 0:
            self.skipTest("needs overlay mounts: " + mounted.stderr)
        self.store = harness.Store(self.path("union", "store"))
        self.load()
        info = self.info()
        self.assertEqual(info["Driver"], "aufs")
        self.assertTrue(info["DriverReason"].startswith("overlay2 does not work here: "), info["DriverReason"])
        self.assertEqual(self.store.image_ids(), [self.image])

    def aufs(self, *names):
        return os.path.join(self.store.root, "aufs", *names)

    def check(self, *options):
        result = self.store("check", "--format", "json", *options, check=False)
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 1 if report["findings"] else 0, result.stdout)
        return ({key: sorted((found["kind"], found["object"], found["mend"]) for found in report.get(key, []))
                 for key in ("findings", "mended")})

    def test_a_sound_store_has_no_findings(self):
        self.load("--driver", "aufs")
        self.assertEqual(self.store("check").stdout, "No findings.\n")
        self.assertEqual(self.check("--deep")["findings"], [])
        self.assertEqual(self.check("--deep", "--repair"), {"findings": [], "mended": []})
        self.assertFalse(os.path.exists(os.path.join(self.store.root, "damaged")))

    def test_damage_is_found_and_mended(self):
        self.load("--driver", "aufs")
        base, middle, top = sorted(os.listdir(self.aufs("layers")),
                                   key=lambda name: os.path.getsize(self.aufs("layers", name)))
        os.unlink(self.aufs("layers", middle))
        os.rmdir(self.aufs("mnt", base))
        os.mkdir(self.aufs("diff", "stray"))
        os.makedirs(self.aufs("moving", "dead", "diff"))
        quick = [("directory-missing", f"aufs/mnt/{base}", "repair"),
                 ("moving-leftover", "aufs/moving/dead", "repair"),
                 ("parents-wrong", f"aufs/layers/{middle}", "repair"),
                 ("part-without-record", "aufs/diff/stray", "repair")]
        self.assertEqual(self.check()["findings"], quick)
        os.unlink(self.aufs("diff", middle, "etc", ".wh.old"))
        found = self.check("--deep")["findings"]
        self.assertIn(("layer-object-missing", f"aufs/diff/{middle}/etc/.wh.old", "repair"), found)
        repaired = self.check("--deep", "--repair")
        self.assertEqual(repaired, {"findings": [], "mended": found})
        self.assertEqual(self.check("--deep", "--repair"), {"findings": [], "mended": []})
        self.store("save", "-o", "/dev/null", "small")
        self.assertTrue(os.path.exists(self.aufs("diff", top)))
        self.assertEqual(self.store.staging(), [])

    def test_what_is_lost_comes_from_an_archive(self):
        self.load("--driver", "aufs")
        base, middle, top = sorted(os.listdir(self.aufs("layers")),
                                   key=lambda name: os.path.getsize(self.aufs("layers", name)))
        with open(self.aufs("diff", base, "etc", "kept"), "wb") as file:
            file.write(b"KEPT\n")
        shutil.rmtree(self.aufs("diff", middle))
        shutil.rmtree(self.aufs("records", top))
        lost = [("layer-diff-missing", f"aufs/diff/{middle}", "archive"),
                ("layer-file-changed", f"aufs/diff/{base}/etc/kept", "archive"),
                ("layer-missing", f"aufs/records/{top}", "archive")]
        left = self.check("--deep", "--repair")["findings"]
        self.assertEqual([found for found in left if found in lost], lost)
        self.assertEqual([mend for _, _, mend in left], ["archive"] * len(left), left)
        self.assertEqual(self.check("--deep", "--repair", "--from", self.archive)["findings"], [])
        self.store("save", "-o", "/dev/null", "small")

    def load_program(self):
        """An image in which /bin/sh runs, on the layers of the small one."""
        archive = self.path("program.tar")
        small_images.write_archive(archive, "program:latest", (small_images.busybox_layer(),) + LAYERS[:2])
        self.store("--driver", "aufs", "load", "-q", "-i", archive)

    def needs_fuse(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse")

    def test_images_are_mounted(self):
        self.needs_fuse()
        self.load("--driver", "aufs")
        mounted = self.mounted("small")
        self.assertEqual(sorted(os.listdir(mounted)), ["d", "etc"])
        self.assertEqual(sorted(os.listdir(os.path.join(mounted, "etc"))), ["kept", "link"])
        with open(os.path.join(mounted, "d"), "rb") as file:
            self.assertEqual(file.read(), b"a file now")
        with self.assertRaises(OSError) as refused:
            os.mkdir(os.path.join(mounted, "new"))
        self.assertEqual(refused.exception.errno, errno.EROFS)

    def test_containers_run_and_are_committed(self):
        self.needs_fuse()
        self.load_program()
        self.store("run", "--name", "cc", "program", "sh", "-c",
                   "cat /etc/link; ls /d; echo changed > /etc/kept; busybox rm -r /d; busybox mkdir /d; "
                   "echo new > /d/new; busybox mkfifo /pipe")
        self.assertEqual(self.store("diff", "cc").stdout,
                         "C /d\nA /d/new\nD /d/y\nC /etc\nC /etc/kept\nA /pipe\n")
        container = self.store.inspect("cc")["Id"]
        private = {name for name in os.listdir(self.aufs("diff", container)) if name.startswith(".wh..wh.")}
        self.assertIn(".wh..wh.plnk", private)
        self.assertEqual(self.check("--deep"), {"findings": [], "mended": []})
        self.store("commit", "cc", "changed")
        self.store("save", "-o", self.path("changed.tar"), "changed")
        with tarfile.open(self.path("changed.tar")) as archive:
            layers = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
            with tarfile.open(fileobj=archive.extractfile(layers[-1])) as layer:
                names = sorted(info.name.rstrip("/") for info in layer)
        self.assertEqual([name for name in names if name not in (".", "")],
                         ["d", "d/.wh..wh..opq", "d/new", "etc", "etc/kept", "pipe"])
        shown = self.store("run", "--rm", "changed", "sh", "-c", "cat /etc/link /d/new; ls -a /d")
        self.assertEqual(shown.stdout, "changed\nnew\n.\n..\nnew\n")
        self.store("rm", "cc")
        self.assertEqual(self.check("--deep"), {"findings": [], "mended": []})
        self.assertEqual(harness.mounts_below(self.dir), [])
        self.assertEqual(self.store.staging(), [])

    def test_an_ordinary_user_mounts_images_in_a_user_namespace(self):
        self.needs_fuse()
        os.chmod(self.dir, 0o777)
        # /dev/fuse may be root's alone, and the program in a directory that others cannot enter.
        device, program = self.path("fuse"), self.path("imagetool")
        os.mknod(device, 0o600 | stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        shutil.copy(harness.IMAGETOOL, program)
        tool = f"{program} --root {self.path('users')}"
        script = (f"set -e; {tool} load -q -i {self.archive}; {tool} info --format '{{{{.Driver}}}} {{{{.MountBackend}}}}'\n"
                  f"at=$({tool} mount small); cat $at/etc/link; {tool} unmount small; {tool} mount")
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                "unshare", "--user", "--map-root-user", "--mount"]
        if harness.run(*user, "true", check=False).returncode != 0:
            self.skipTest("ordinary users get no user namespaces")
        shown = harness.run("unshare", "--mount", "sh", "-c", f'mount --bind {device} /dev/fuse && exec "$@"', "sh",
                            *user, "sh", "-c", script)
        self.assertEqual(shown.stdout, "Loaded image: small:latest\naufs fuse\nkept\nsmall\n")

    def test_backends_that_do_not_fit_the_store_are_refused(self):
        self.load("--driver", "aufs")
        reason = "mounting by overlay: layers of the storage driver aufs are mounted by aufs or fuse"
        self.assert_fails(self.store("mount", "--mount-backend", "overlay", "small", check=False), reason)
        self.assert_fails(self.store("run", "--mount-backend", "overlay", "small", "true", check=False), reason,
                          code=125)
        self.assertEqual(self.store("ps", "-aq").stdout, "")
        other = harness.Store(self.path("overlay"))
        other("--driver", "overlay2", "load", "-q", "-i", self.archive)
        reason = "mounting by aufs: layers of the storage driver overlay2 are mounted by overlay or fuse"
        self.assert_fails(other("mount", "--mount-backend", "aufs", "small", check=False), reason)
        self.assertEqual(self.store.staging() + other.staging(), [])

    def test_info_says_what_mounts_the_layers_and_why(self):
        self.needs_fuse()
        info = json.loads(self.store("--driver", "aufs", "info", "--format", "json").stdout)
        with open("/proc/filesystems", encoding="ascii") as file:
            has_aufs = "aufs" in file.read().split()
        self.assertEqual((info["MountBackend"], info["MountBackendReason"]),
                         ("aufs", "the kernel has AUFS") if has_aufs else ("fuse", "the kernel has no AUFS"))
        other = harness.Store(self.path("overlay"))
        lines = other("--driver", "overlay2", "info").stdout.splitlines()
        self.assertIn("Mount Backend: overlay", lines)
        self.assertIn("Mount Backend Reason: the kernel's overlayfs mounts here", lines)

    def test_an_unknown_driver_is_a_usage_error(self):
        result = self.store("--driver", "btrfs", "images", check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("--driver", result.stderr)


if __name__ == "__main__":
    harness.main()
