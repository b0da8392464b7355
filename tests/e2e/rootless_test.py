#!/usr/bin/env python3
"""The `runner` program as an ordinary user: one id, or those that /etc/subuid and /etc/subgid give."""
import json
import os
import shutil
import subprocess

import harness
import runner_bundle
from harness import run

NOBODY = 65534
FIRST = 200000
COUNT = 65536


class RootlessTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        if not os.path.exists(runner_bundle.BUSYBOX):
            self.skipTest("needs /bin/busybox (package busybox-static)")
        if shutil.which("newuidmap") is None:
            self.skipTest("needs newuidmap (package uidmap)")
        ids = self.path("ids")
        with open(ids, "w", encoding="utf-8") as file:
            file.write(f"nobody:{FIRST}:{COUNT}\n")
        for name in ("/etc/subuid", "/etc/subgid"):
            if not os.path.exists(name):
                self.skipTest(f"needs {name}")
            run("mount", "--bind", ids, name)
            self.addCleanup(run, "umount", name)
        # Where it was built may be out of that user's reach.
        self.program = shutil.copy(runner_bundle.RUNNER, self.path("runner"))
        os.chmod(self.dir, 0o755)
        for name in ("bundle", "runtime"):
            os.mkdir(self.path(name))
        runner_bundle.make_rootfs(self.path("bundle", "rootfs"))
        os.mkdir(self.path("bundle", "rootfs", "data"))
        for directory, _, files in os.walk(self.path("bundle")):
            os.chown(directory, NOBODY, NOBODY)
            for name in files:
                os.chown(os.path.join(directory, name), NOBODY, NOBODY, follow_symlinks=False)
        os.chown(self.path("runtime"), NOBODY, NOBODY)
        self.addCleanup(self.expect_nothing_left)

    def expect_nothing_left(self):
        for name in self.runner("list", "-q").stdout.split():
            self.runner("delete", "--force", name)
        states = self.path("runtime", "runner")
        self.assertEqual(os.listdir(states) if os.path.exists(states) else [], [])

    def command(self, *arguments):
        return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", self.program, *arguments]

    def runner(self, *arguments, check=True):
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.path("runtime")}
        return run(*self.command(*arguments), check=check, env=environment, cwd=self.path("bundle"))

    def test_root_of_a_user_namespace_has_the_states_of_its_user(self):
        box = self.path("runtime", "runner", "box")
        os.makedirs(box)
        with open(os.path.join(box, "state.json"), "w", encoding="utf-8") as file:
            file.write("{}")
        for path in (self.path("runtime", "runner"), box, os.path.join(box, "state.json")):
            os.chown(path, NOBODY, NOBODY)
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.path("runtime")}
        command = self.command("list")
        command.insert(command.index(self.program), "unshare")
        command.insert(command.index(self.program), "--map-root-user")
        self.assertIn("box", run(*command, env=environment, cwd=self.path("bundle")).stderr)
        shutil.rmtree(box)

    def detached(self, *arguments):
        """What leaves a process behind, which must not keep our pipes open."""
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.path("runtime")}
        code = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              env=environment, cwd=self.path("bundle"), check=False).returncode
        self.assertEqual(code, 0, arguments)

    def write(self, *command, first=None, change=None):
        """config.json of `spec --rootless`; with `first`: and more ids from there."""
        path = self.path("bundle", "config.json")
        if os.path.exists(path):
            os.unlink(path)
        self.runner("spec", "--rootless")
        config = runner_bundle.read_json(path)
        config["process"]["terminal"] = False
        config["process"]["args"] = list(command)
        config["root"]["readonly"] = False
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind] += ["CAP_CHOWN"]
        if first is not None:
            for kind in ("uidMappings", "gidMappings"):
                config["linux"][kind].append({"containerID": 1, "hostID": first, "size": COUNT})
        if change is not None:
            change(config)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)

    def assert_refused(self, *texts):
        result = self.runner("run", "box", check=False)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)

    def test_root_inside_is_the_user(self):
        self.write("sh", "-c", "id -u; cat /proc/self/uid_map; echo x > /data/file")
        result = self.runner("run", "box")
        self.assertEqual(result.stdout.split(), ["0", "0", str(NOBODY), "1"])
        self.assertEqual(result.stderr, "")
        self.assertEqual(os.stat(self.path("bundle", "rootfs", "data", "file")).st_uid, NOBODY)

    def test_more_ids_come_from_the_files(self):
        self.write("sh", "-c", "echo x > /data/file; /bin/busybox chown 1000:1001 /data/file; /bin/busybox cat /proc/self/gid_map",
                   first=FIRST)
        self.assertEqual(self.runner("run", "box").stdout.split(),
                         ["0", str(NOBODY), "1", "1", str(FIRST), str(COUNT)])
        status = os.stat(self.path("bundle", "rootfs", "data", "file"))
        self.assertEqual((status.st_uid, status.st_gid), (FIRST + 999, FIRST + 1000))

    def test_ids_of_others_are_refused(self):
        self.write("true", first=FIRST + COUNT)
        self.assert_refused("mapping the container's group ids: ", "newgidmap: gid range", "not allowed")

    def test_without_a_user_namespace_it_is_refused(self):
        def change(config):
            config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "user"]
            del config["linux"]["uidMappings"], config["linux"]["gidMappings"]

        self.write("true", change=change)
        self.assert_refused("without the right to mount: its config.json asks for no user namespace")

    def test_limits_that_cannot_be_had_are_refused(self):
        def change(config):
            config["linux"]["resources"] = {"pids": {"limit": 20}}

        self.write("true", change=change)
        self.assert_refused("limiting processes: ")

    def test_the_steps_of_an_engine(self):
        self.write("sleep", "1000000", first=FIRST)
        self.detached("create", "box")
        state = json.loads(self.runner("state", "box").stdout)
        self.assertEqual((state["status"], state["owner"]), ("created", str(NOBODY)))
        self.runner("start", "box")
        self.assertEqual(self.runner("exec", "--user", "5:6", "box", "sh", "-c", "id -u; id -g").stdout, "5\n6\n")
        self.runner("kill", "box", "KILL")
        runner_bundle.wait_until(
            lambda: json.loads(self.runner("state", "box").stdout)["status"] == "stopped", "the container stops")
        self.runner("delete", "box")


if __name__ == "__main__":
    harness.enter_private_mounts()
    harness.main()
