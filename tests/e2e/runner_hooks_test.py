#!/usr/bin/env python3
"""Hooks that ask the runtime about their own container, as engines' and network plug-ins' hooks do."""
import fcntl
import json
import os
import signal
import subprocess

import harness
from runner_bundle import RUNNER, RunnerTestCase, read_text, wait_until

# Far more than a hook takes: one that waits for its own runtime is killed, and fails.
PATIENCE = 30


class HookTest(RunnerTestCase):

    def hook(self, kind, *command):
        """One that runs `runner COMMAND` and keeps its exit code and what it said."""
        arguments = " ".join(command)
        return {"path": "/bin/sh", "timeout": PATIENCE,
                "args": ["sh", "-c", f"{RUNNER} --root {self.path('states')} {arguments} > {self.path(kind)} 2>&1; "
                                     f"echo $? > {self.path(kind)}.code"]}

    def start_with(self, kinds, *command):
        config = self.config("sleep", "1000000")
        config["hooks"] = {kind: [self.hook(kind, *command)] for kind in kinds}
        self.write(config)
        self.detached("run", "--detach", "--bundle", self.bundle, "box")

    def test_each_may_ask_for_the_state(self):
        self.start_with(("prestart", "createRuntime", "createContainer", "poststart", "poststop"), "state", "box")
        pid = self.state()["pid"]
        self.runner("delete", "--force", "box")
        for kind, status in (("prestart", "created"), ("createRuntime", "created"), ("createContainer", "created"),
                             ("poststart", "running")):
            state = json.loads(read_text(self.path(kind)))
            self.assertEqual((state["status"], state["pid"]), (status, pid), kind)
        # There is none any more.
        self.assertEqual(read_text(self.path("poststop.code")), "1\n")
        self.assertEqual(read_text(self.path("poststop")), "runner: container 'box' does not exist\n")

    def test_one_inside_may_ask_for_the_state(self):
        """Where the program and the states are mounted."""
        config = self.config("sleep", "1000000")
        os.mkdir(self.path("states"), 0o700)
        os.chmod(self.dir, 0o755)
        config["mounts"] += [{"destination": path, "source": path, "options": ["rbind"]}
                             for path in ("/lib", "/lib64", "/usr", os.path.dirname(RUNNER)) if os.path.exists(path)]
        config["mounts"].append({"destination": self.dir, "source": self.dir, "options": ["rbind"]})
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]
        config["hooks"] = {"startContainer": [self.hook("startContainer", "state", "box")]}
        self.write(config)
        self.detached("run", "--detach", "--bundle", self.bundle, "box")
        state = json.loads(read_text(self.path("startContainer")))
        self.assertEqual((state["status"], state["pid"]), ("created", self.state()["pid"]))

    def test_each_may_send_a_signal(self):
        self.start_with(("prestart", "createRuntime", "poststart"), "kill", "box", "0")
        for kind in ("prestart", "createRuntime", "poststart"):
            self.assertEqual(read_text(self.path(kind + ".code")), "0\n", kind)

    def test_each_may_kill_it(self):
        for kind in ("prestart", "createRuntime"):
            config = self.config("sleep", "1000000")
            config["hooks"] = {kind: [self.hook(kind, "kill", "box", "KILL")]}
            result = self.run_box(config)
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            self.assertEqual(read_text(self.path(kind + ".code")), "0\n", kind)
            self.assertEqual(self.runner("list", "-q").stdout, "")
        config["hooks"] = {"poststart": [self.hook("poststart", "kill", "box", "KILL")]}
        self.assertEqual(self.run_box(config).returncode, 128 + signal.SIGKILL)
        self.assertEqual(read_text(self.path("poststart.code")), "0\n")


class LockTest(RunnerTestCase):

    def test_who_waits_is_ended_by_a_signal(self):
        self.start_box()
        directory = os.open(self.path("states", "box"), os.O_RDONLY)
        self.addCleanup(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_EX)
        for number in (signal.SIGINT, signal.SIGTERM):
            for command in (["delete", "--force", "box"], ["pause", "box"], ["delete", "--force", "--regex", "b"]):
                with subprocess.Popen([RUNNER, "--root", self.path("states"), *command], text=True,
                                      stderr=subprocess.PIPE) as waiting:
                    path = f"/proc/{waiting.pid}/fd"
                    wait_until(lambda: self.path("states", "box") in
                               [os.readlink(os.path.join(path, name)) for name in os.listdir(path)], "it waits")
                    waiting.send_signal(number)
                    said = waiting.communicate(timeout=PATIENCE)[1]
                self.assertEqual(waiting.returncode, 1)
                self.assertEqual(said, "runner: waiting for container 'box', which is being changed: interrupted\n")
        fcntl.flock(directory, fcntl.LOCK_UN)
        self.assertEqual(self.state()["status"], "running")


if __name__ == "__main__":
    harness.main()
