"""Eight processes at once on one store, some of them killed: nothing is lost, nothing is damaged."""
import os
import random
import signal
import subprocess
import threading
import time

import harness
import small_images

WORKERS = 8
SECONDS = 60
COMMANDS = ("load", "load", "run", "commit", "rmi", "prune", "save", "images")


class Worker(threading.Thread):
    """Does random things with images of its own names, and knows which of them must be there."""

    def __init__(self, test, number, seed, until):
        super().__init__()
        self.test, self.number, self.until = test, number, until
        self.random = random.Random(seed)
        self.mine = {}  # name: True: must be there, False: must not, None: its command was killed
        self.failures = []
        self.killed = self.done = 0

    def program(self, *arguments):
        """Runs it to its end or kills it on the way. True when it was not killed."""
        process = subprocess.Popen([harness.IMAGETOOL, "--root", self.test.store.root, *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            timeout = self.random.uniform(0, 0.3) if self.random.random() < 0.15 else 120
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            output, _ = process.communicate()
            if timeout == 120:
                self.failures.append(f"{arguments}: it hangs")
        if process.returncode == -signal.SIGKILL:
            self.killed += 1
            return False
        self.done += 1
        if process.returncode != 0:
            self.failures.append(f"{arguments}: exit {process.returncode}: {output}")
        return True

    def own(self, *states):
        return sorted(name for name, there in self.mine.items() if there in states)

    def load(self):
        number = self.random.randrange(len(self.test.archives[self.number]))
        name, path = self.test.archives[self.number][number]
        ended = self.program("load", "-q", "-i", path)
        self.mine[name] = True if ended else (self.mine.get(name) or None)

    def run_one(self):
        if names := self.own(True):
            self.program("run", "--rm", self.random.choice(names), "/bin/sh", "-c", "echo x >/etc/x")

    def commit(self):
        if not (names := self.own(True)):
            return
        container = f"w{self.number}-{self.random.randrange(10**9)}"
        name = f"made{self.number}-{self.random.randrange(4)}:latest"
        if not self.program("run", "--name", container, self.random.choice(names), "/bin/sh", "-c",
                            f"echo {self.random.random()} >/etc/made"):
            return
        ended = self.program("commit", container, name)
        self.mine[name] = True if ended else (self.mine.get(name) or None)
        self.program("rm", "-f", container)

    def remove(self):
        if names := self.own(True):
            name = self.random.choice(names)
            self.mine[name] = False if self.program("rmi", "-f", name) else None

    def save(self):
        if names := self.own(True):
            self.program("save", "-o", "/dev/null", self.random.choice(names))

    def run(self):
        actions = {"load": self.load, "run": self.run_one, "commit": self.commit, "rmi": self.remove,
                   "save": self.save, "prune": lambda: self.program("prune", "-f"),
                   "images": lambda: self.program("images", "-a")}
        while time.monotonic() < self.until:
            actions[self.random.choice(COMMANDS)]()


class BusyStoreTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        base = small_images.busybox_layer()
        self.archives = []
        for worker in range(WORKERS):
            mine = []
            for i in range(3):
                path = self.path(f"{worker}-{i}.tar")
                name = f"image{worker}-{i}:latest"
                # The middle layer is the same for all workers, the top one is not.
                small_images.write_archive(path, name, [
                    base, small_images.layer((f"etc/{i}", b"%d" % i)),
                    small_images.layer(("own", b"%d %d" % (worker, i)))])
                mine.append((name, path))
            self.archives.append(mine)

    def test_nothing_is_lost(self):
        seed = int(os.environ.get("LAYERKIT_SEED", time.time_ns()))
        print(f"seed {seed}")
        until = time.monotonic() + SECONDS
        workers = [Worker(self, number, seed + number, until) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(f"{sum(w.done for w in workers)} commands ended, {sum(w.killed for w in workers)} were killed")
        self.assertEqual([failure for worker in workers for failure in worker.failures], [])
        self.assertGreater(sum(w.killed for w in workers), 0)
        there = set(self.store("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())
        for worker in workers:
            self.assertEqual([name for name in worker.own(True) if name not in there], [], "lost images")
            self.assertEqual([name for name in worker.own(False) if name in there], [], "removed images")
        for container in self.store("ps", "-aq", "--no-trunc").stdout.split():
            self.store("rm", "-f", container)
        repaired = self.store("check", "--repair", check=False)
        self.assertEqual(repaired.returncode, 0, repaired.stdout + repaired.stderr)
        deep = self.store("check", "--deep", check=False)
        self.assertEqual(deep.returncode, 0, deep.stdout + deep.stderr)
        self.assertLessEqual(set(name for w in workers for name in w.own(True)),
                             set(self.store("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()))


if __name__ == "__main__":
    harness.main()
