"""SIGKILL at random moments of a load never shows a half image and never blocks the next load."""
import json
import os
import random
import signal
import subprocess
import time

import harness

LAYOUT = os.environ["DEBIAN_LAYOUT"]
KILLS = 4 if harness.SANITIZED else 20


class KilledLoadTest(harness.TestCase):
    def load_process(self):
        return subprocess.Popen([harness.IMAGETOOL, "--root", self.store.root, "load", "-i", LAYOUT],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def time_of_a_load(self):
        store = harness.Store(self.path("timing"))
        began = time.monotonic()
        store("load", "-i", LAYOUT)
        return time.monotonic() - began

    def check_only_whole_images(self):
        for image in self.store.image_ids():
            found = self.store.inspect(image)
            directories = found["GraphDriver"]["Data"]
            for path in [directories["UpperDir"], *filter(None, directories.get("LowerDir", "").split(":"))]:
                self.assertTrue(os.path.isdir(path), path)
            self.store("save", "-o", "/dev/null", image)
        for name in self.store.layer_dirs():
            self.assertTrue(
                os.path.exists(os.path.join(self.store.root, "overlay2", name, "committed")), name)

    def test_killed_at_random_moments(self):
        seed = int(os.environ.get("LAYERKIT_SEED", time.time_ns()))
        print(f"seed {seed}")
        moments = random.Random(seed)
        duration = self.time_of_a_load()
        killed = attempts = 0
        while killed < KILLS and attempts < 5 * KILLS:
            attempts += 1
            process = self.load_process()
            began = time.monotonic()
            try:
                process.wait(timeout=moments.uniform(0, duration))
                duration = time.monotonic() - began  # faster than thought: aim earlier
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
            self.check_only_whole_images()
            if self.store.image_ids():
                self.store("rmi", "-f", *self.store.image_ids())
        print(f"{killed} of {attempts} loads were killed before they ended")
        self.assertEqual(killed, KILLS)
        self.store("load", "-i", LAYOUT)
        self.assertEqual(self.store.staging(), [])
        image, = self.store.image_ids()
        layers = json.loads(self.store("inspect", image).stdout)[0]["RootFS"]["Layers"]
        self.assertEqual(len(self.store.layer_dirs()), len(layers))


if __name__ == "__main__":
    harness.main()
