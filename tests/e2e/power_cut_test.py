"""What was reported as done survives a power cut.

The store lies on an ext4 on a loop device. At random moments the state of that device is taken.
"""
import os
import random
import subprocess
import time

import harness
import small_images
from disk_image import CuttableDisk, Disk

CUTS = 12
IMAGES = 30


class PowerCutTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        if harness.run("losetup", "-f", check=False).returncode != 0:
            self.skipTest("no loop devices")
        self.disk = CuttableDisk(self.dir, 256 << 20)
        self.store = harness.Store(os.path.join(self.disk.target, "store"))
        self.archives = {}
        for i in range(IMAGES):
            path = self.path(f"{i}.tar")
            layers = [small_images.layer(("d", None), *((f"d/{i}-{n}", os.urandom(20000)) for n in range(40))),
                      small_images.layer(("d/.wh." + f"{i}-0", b""), (f"d/{i}-1", b"changed"))]
            self.archives[small_images.write_archive(path, f"image{i}:latest", layers)] = path

    def tearDown(self):
        self.disk.unmount()
        super().tearDown()

    def cut(self, number):
        """The device as it is now, in a file of its own."""
        copy = self.path(f"cut{number}.img")
        self.disk.cut(copy)
        return copy

    def load_all(self):
        """Loads one archive after the other in a process of its own; yields as they are reported."""
        script = "".join(f'"$0" --root "$1" load -i "{path}" || exit 1; ' for path in self.archives.values())
        return subprocess.Popen(["sh", "-c", script, harness.IMAGETOOL, self.store.root],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def check_cut(self, copy, reported):
        disk = Disk(copy, copy + ".mnt")
        try:
            store = harness.Store(os.path.join(disk.target, "store"))
            if not reported and not os.path.exists(os.path.join(store.root, "version")):
                return
            names = store("images", "--format", "{{.Repository}}").stdout.split()
            self.assertEqual([name for name in reported if name not in names], [])
            repaired = store("check", "--repair", check=False)
            self.assertEqual(repaired.returncode, 0, repaired.stdout + repaired.stderr)
            deep = store("check", "--deep", check=False)
            self.assertEqual(deep.returncode, 0, deep.stdout + deep.stderr)
            names = store("images", "--format", "{{.Repository}}").stdout.split()
            self.assertEqual([name for name in reported if name not in names], [])
        finally:
            disk.unmount()
            os.unlink(copy)

    def test_reported_images_survive(self):
        seed = int(os.environ.get("LAYERKIT_SEED", time.time_ns()))
        print(f"seed {seed}")
        moments = random.Random(seed)
        cuts, reported = [], []
        # Where the cuts fall: after which report, and how much later.
        plan = sorted((moments.randrange(IMAGES), moments.uniform(0, 0.05)) for _ in range(CUTS))
        with self.load_all() as process:
            for line in process.stdout:
                self.assertIn("Loaded image: ", line)
                reported.append(line.split(": ")[1].split(":")[0])
                while plan and plan[0][0] < len(reported):
                    time.sleep(plan.pop(0)[1])
                    known = list(reported)
                    cuts.append((self.cut(len(cuts)), known))
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(cuts), CUTS)
        for copy, known in cuts:
            with self.subTest(f"{len(known)} images were reported"):
                self.check_cut(copy, known)


if __name__ == "__main__":
    harness.main()
