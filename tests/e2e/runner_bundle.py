"""What the tests of the `runner` program share: bundles, and a program with a directory of states."""
import json
import os
import shutil
import subprocess
import time

import harness
from harness import run

RUNNER = os.environ["RUNNER"]
BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "cat", "echo", "sleep", "ls", "id", "stat", "test", "tty", "hostname", "true", "false", "head")
CGROUP_PARENT = f"layerkit-test-{os.getpid()}"


def wait_until(condition, what):
    """Something that another process does soon."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("never happened: " + what)


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_json(path):
    return json.loads(read_text(path))


def make_rootfs(path):
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "home"):
        os.makedirs(os.path.join(path, name))
    shutil.copy(BUSYBOX, os.path.join(path, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(path, "bin", applet))


def leftover_cgroups():
    found = []
    for line in read_text("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            path = os.path.join(fields[4], CGROUP_PARENT)
            if os.path.exists(path):
                found.append(path)
    return found


class RunnerTestCase(harness.TestCase):
    """Each test has a bundle and states of its own, and leaves nothing behind."""

    def setUp(self):
        super().setUp()
        if not os.path.exists(BUSYBOX):
            self.skipTest("needs /bin/busybox (package busybox-static)")
        self.bundle = self.path("bundle")
        os.mkdir(self.bundle)
        make_rootfs(self.path("bundle", "rootfs"))
        self.count = 0
        self.addCleanup(self._expect_nothing_left)

    def _expect_nothing_left(self):
        for name in self.runner("list", "-q").stdout.split():
            self.runner("delete", "--force", name)
        self.assertEqual(leftover_cgroups(), [])
        self.assertEqual(harness.mounts_below(self.dir), [])

    def runner(self, *arguments, check=True, **options):
        return run(RUNNER, "--root", self.path("states"), *arguments, check=check, **options)

    def detached(self, *arguments):
        """What leaves a process behind, which must not keep our pipes open."""
        code = subprocess.run([RUNNER, "--root", self.path("states"), *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, check=False).returncode
        self.assertEqual(code, 0, arguments)

    def config(self, *command):
        """The config.json that `spec` writes, for a command without a terminal."""
        config_path = self.path("bundle", "config.json")
        if os.path.exists(config_path):
            os.unlink(config_path)
        self.runner("spec", "--bundle", self.bundle)
        config = read_json(config_path)
        config["process"]["terminal"] = False
        config["process"]["args"] = list(command)
        config["linux"]["cgroupsPath"] = f"{CGROUP_PARENT}/box"
        return config

    def write(self, config):
        with open(self.path("bundle", "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)

    def run_box(self, config, *options, check=False, before=(), **keywords):
        """`run` of the bundle, as container "box"."""
        self.write(config)
        return self.runner(*before, "run", "--bundle", self.bundle, *options, "box", check=check, **keywords)

    def start_box(self, *command):
        """A container "box" in the background."""
        self.write(self.config(*(command or ("sleep", "1000000"))))
        self.detached("run", "--detach", "--bundle", self.bundle, "box")

    def state(self, name="box"):
        return json.loads(self.runner("state", name).stdout)

    def assert_refused(self, result, *texts, code=1):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertTrue(result.stderr.startswith("runner: "), result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
