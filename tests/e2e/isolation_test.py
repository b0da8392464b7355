"""Containers beside each other, and the limits that hold them."""
import os
import subprocess
import time

import demo_image
import harness


def cgroups():
    """Every cgroup directory that Layerkit made."""
    found = []
    for base, names, _ in os.walk("/sys/fs/cgroup"):
        if os.path.basename(base) == "layerkit":
            found += [os.path.join(base, name) for name in names]
            names.clear()
    return sorted(found)


class IsolationTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.store("load", "-i", demo_image.archive())
        self.cgroups_before = cgroups()

    def tearDown(self):
        self.assertEqual([c for c in cgroups() if c not in self.cgroups_before], [])
        super().tearDown()

    def test_twenty_containers_at_once_do_not_see_each_other(self):
        mounted = self.mounted("demo:latest")
        before = harness.tree(mounted)
        script = ("echo $1 >/etc/motd; echo $1 >/root/own; sleep 1; "
                  "test $(cat /etc/motd) = $1 && test $(cat /root/own) = $1 && ls /root && cat /etc/motd")
        command = [harness.IMAGETOOL, "--root", self.store.root, "run", "--name"]
        running = [
            subprocess.Popen(command + [f"c{i}", "demo:latest", "sh", "-c", script, "sh", f"text-{i}"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for i in range(20)]
        for i, process in enumerate(running):
            output, errors = process.communicate(timeout=120)
            self.assertEqual((process.returncode, output, errors), (0, f"own\ntext-{i}\n", ""))
        for i in range(20):
            self.assertIn("C /etc/motd", self.store("diff", f"c{i}").stdout.splitlines())
        self.assertEqual(harness.tree_differences(before, harness.tree(mounted)), "")
        self.store("rm", *[f"c{i}" for i in range(20)])
        self.assertEqual(self.store("ps", "-a", "-q").stdout, "")

    def test_memory_limit_kills_near_the_limit_with_137(self):
        # Each step keeps one more MiB in the shell and says how many it has.
        script = ("s=; m=$(head -c 1048576 /dev/zero | tr '\\0' x); i=0; "
                  "while [ $i -lt 200 ]; do s=$s$m; i=$((i+1)); echo $i; done")
        result = self.store("run", "--name", "eater", "-m", "30m", "demo:latest", "sh", "-c", script,
                            check=False)
        self.assertEqual(result.returncode, 137, result.stderr)
        steps = int(result.stdout.split()[-1])
        # String growth holds the old and the new copy for a moment, so about half the limit fits.
        self.assertGreater(steps, 5)
        self.assertLess(steps, 31)
        state = self.store.inspect("eater")["State"]
        self.assertEqual((state["ExitCode"], state["OOMKilled"]), (137, True))

    def test_pids_limit_stops_a_fork_bomb(self):
        script = ("i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done; "
                  "ls -d /proc/[0-9]* | wc -l")
        result = self.store("run", "--rm", "--pids-limit", "20", "demo:latest", "sh", "-c", script,
                            check=False)
        counts = [int(word) for word in result.stdout.split()]
        self.assertTrue(all(count <= 20 for count in counts), result.stdout)
        self.assertIn("fork", result.stderr)

    def test_half_a_cpu_halves_a_busy_loop(self):
        script = ("cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max; "
                  "timeout 3 sh -c 'while :; do :; done'; times")
        began = time.monotonic()
        result = self.store("run", "--rm", "--cpus", "0.5", "demo:latest", "sh", "-c", script, check=False)
        elapsed = time.monotonic() - began
        quota, *words = result.stdout.split()
        self.assertEqual(quota, "50000")
        words = [word for word in words if word.endswith("s")]
        minutes, seconds = words[2].rstrip("s").split("m")  # "times": the children's user time is third
        # A share of one processor, so that a slow or busy machine changes nothing.
        self.assertLess((float(minutes) * 60 + float(seconds)) / elapsed, 0.6)

    def test_a_run_that_cannot_start_leaves_nothing(self):
        mounts = harness.mounts_below("/")
        for options, code in [((), 127), (("-v", "/etc/passwd:/etc:ro"), 125)]:
            result = self.store("run", *options, "--rm", "demo:latest", "/no/such/program", check=False)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(self.store("ps", "-a", "-q").stdout, "")
        self.assertEqual(sorted(harness.mounts_below("/")), sorted(mounts))
        containers = os.listdir(os.path.join(self.store.root, "containers"))
        self.assertEqual([name for name in containers if not name.startswith(".")], [])


if __name__ == "__main__":
    harness.main()
