"""As many layers as the kernel stacks, under the usual limit of open files."""
import os

import harness
import small_images

MAX_LOWER = 500  # of overlayfs
USUAL_LIMIT = 1024  # soft limit of open files; the stack alone takes about half of it


def make_image(path, count):
    """An image of `count` layers; the lowest holds busybox."""
    layers = [small_images.busybox_layer()]
    layers += [small_images.layer((f"d/{i}", b"%d\n" % i), ("last", b"%d\n" % i)) for i in range(1, count)]
    small_images.write_archive(path, "many:latest", layers)


class ManyLayersTest(harness.TestCase):
    def limited(self, *arguments, **options):
        """The program as a shell with the usual soft limit would start it."""
        return harness.run("sh", "-c", f'ulimit -Sn {USUAL_LIMIT}; exec "$@"', "sh", harness.IMAGETOOL,
                           "--root", self.store.root, *arguments, **options)

    def load(self, count):
        make_image(self.path("many.tar"), count)
        self.limited("load", "-q", "-i", self.path("many.tar"))

    def test_an_image_with_as_many_layers_as_the_kernel_stacks(self):
        self.load(MAX_LOWER)
        target = self.limited("mount", "many:latest").stdout.strip()
        self.addCleanup(lambda: self.store("unmount", "many:latest", check=False))
        self.assertEqual(sorted(os.listdir(os.path.join(target, "d")), key=int),
                         [str(i) for i in range(1, MAX_LOWER)])
        with open(os.path.join(target, "last"), encoding="ascii") as file:
            self.assertEqual(file.read(), f"{MAX_LOWER - 1}\n")
        self.limited("save", "-o", self.path("again.tar"), "many:latest")
        other = harness.Store(self.path("other"))
        other("load", "-q", "-i", self.path("again.tar"))
        self.assertEqual(other.image_ids(), self.store.image_ids())

    def test_a_container_takes_one_layer_of_them(self):
        self.load(MAX_LOWER - 1)
        script = "read n </last; echo $n; echo new >/last; ulimit -Sn"
        output = self.limited("run", "--name", "box", "many:latest", "/bin/sh", "-c", script, check=False)
        self.assertEqual((output.stdout, output.stderr), (f"{MAX_LOWER - 2}\n{USUAL_LIMIT}\n", ""))
        self.limited("commit", "box", "again:latest")

    def test_one_more_is_a_clear_error_of_overlay_that_leaves_nothing(self):
        self.load(MAX_LOWER)
        before = self.store.layer_dirs()
        result = self.limited("run", "--mount-backend", "overlay", "many:latest", "/bin/sh", "-c", "true", check=False)
        self.assert_fails(result, f"overlayfs takes at most {MAX_LOWER}", code=125)
        self.assertEqual(self.store.layer_dirs(), before)
        self.assertEqual(self.store("ps", "-aq").stdout, "")

    def test_where_overlay_takes_no_more_fuse_does(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse")
        self.load(MAX_LOWER)
        script = "read n </last; echo $n; echo new >/last; ulimit -Sn"
        output = self.limited("run", "--name", "box", "many:latest", "/bin/sh", "-c", script, check=False)
        self.assertEqual((output.stdout, output.stderr), (f"{MAX_LOWER - 1}\n{USUAL_LIMIT}\n", ""))
        self.assertEqual(self.store.inspect("box")["MountBackend"], "fuse")
        self.assertEqual(self.store("diff", "box").stdout, "C /last\n")
        # The container's backend is that of its mounts.
        target = self.limited("mount", "box").stdout.strip()
        with open(os.path.join(target, "last"), encoding="ascii") as file:
            self.assertEqual(file.read(), "new\n")
        self.store("unmount", "box")


if __name__ == "__main__":
    harness.main()
