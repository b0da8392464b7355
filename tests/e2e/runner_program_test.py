#!/usr/bin/env python3
"""The `runner` program as container engines and people call it: exit codes, output, logs, documents."""
import json
import os
import signal
import socket
import subprocess

import harness
from harness import run
from runner_bundle import RUNNER, RunnerTestCase, leftover_cgroups, read_json, read_text, wait_until


class ExitCodeTest(RunnerTestCase):

    def test_run_ends_with_the_code_of_the_process(self):
        self.assertEqual(self.run_box(self.config("true")).returncode, 0)
        self.assertEqual(self.run_box(self.config("sh", "-c", "exit 37")).returncode, 37)
        self.assertEqual(self.run_box(self.config("sh", "-c", "exit 255")).returncode, 255)
        # The first process of a pid namespace ignores what it does not handle: another one is killed.
        config = self.config("sh", "-c", "sh -c 'kill -KILL $$'; exit $?")
        self.assertEqual(self.run_box(config).returncode, 128 + signal.SIGKILL)

    def test_run_ends_with_128_and_the_signal(self):
        config = self.config("sleep", "1000000")
        self.write(config)
        box = subprocess.Popen([RUNNER, "--root", self.path("states"), "run", "--bundle", self.bundle, "box"],
                               stdin=subprocess.DEVNULL)
        wait_until(lambda: self.runner("state", "box", check=False).returncode == 0 and
                   self.state()["status"] == "running", "the container runs")
        self.runner("kill", "box", "KILL")
        self.assertEqual(box.wait(), 128 + signal.SIGKILL)
        self.assertEqual(self.runner("list", "-q").stdout, "")

    def test_signals_reach_the_process(self):
        self.write(self.config("sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 1 & wait $!; done"))
        with subprocess.Popen([RUNNER, "--root", self.path("states"), "run", "--bundle", self.bundle, "box"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as box:
            self.assertEqual(box.stdout.readline(), b"ready\n")
            box.send_signal(signal.SIGTERM)
            self.assertEqual(box.wait(), 9)

    def test_signals_reach_a_process_that_has_just_begun(self):
        """Whoever runs it may not have noticed yet that it runs."""
        config = self.config("sh", "-c", "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 1 & wait $!; done")
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]
        for _ in range(20):
            result = self.run_box(config)
            self.assertEqual((result.returncode, result.stderr), (9, ""))

    def test_wrong_usage_is_2(self):
        for arguments in (["no-such-command"], ["run"], ["state"], ["list", "--no-such-option"],
                          ["list", "--format", "xml"], ["--log-format", "xml", "list"], ["kill"]):
            result = self.runner(*arguments, check=False)
            self.assertEqual(result.returncode, 2, f"{arguments}: {result.stderr}")
            self.assertEqual(result.stdout, "")
            self.assertNotEqual(result.stderr, "")

    def test_failures_are_1(self):
        for arguments in (["state", "nobody"], ["start", "nobody"], ["kill", "nobody", "KILL"], ["delete", "nobody"],
                          ["pause", "nobody"], ["resume", "nobody"], ["ps", "nobody"], ["events", "--stats", "nobody"], ["events", "nobody"],
                          ["update", "--pids-limit", "3", "nobody"]):
            self.assert_refused(self.runner(*arguments, check=False), "container 'nobody' does not exist")
        self.assertEqual(self.runner("delete", "--force", "nobody").stderr, "")

    def test_run_of_what_cannot_be_started_fails(self):
        result = self.run_box(self.config("absent"))
        self.assert_refused(result, "executing 'absent': executable file not found in $PATH")
        self.assertEqual(self.runner("list", "-q").stdout, "")

    def test_a_failure_of_exec_is_255(self):
        self.assert_refused(self.runner("exec", "nobody", "true", check=False), "does not exist", code=255)
        self.start_box()
        self.assert_refused(self.runner("exec", "box", "absent", check=False),
                            "executable file not found in $PATH", code=255)
        self.assert_refused(self.runner("exec", "box", check=False), "process args cannot be empty", code=255)
        self.assertEqual(self.runner("exec", "box", "sh", "-c", "exit 7", check=False).returncode, 7)
        self.assertEqual(self.runner("exec", "box", "sh", "-c", "kill -KILL $$", check=False).returncode, 137)

    def test_timeout_is_124(self):
        config = self.config("sleep", "1000000")
        result = self.run_box(config, "--timeout", "0.2", stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 124, result.stderr)
        self.assertIn("container 'box' is killed: it took longer than 0.2 seconds", result.stderr)
        self.assertEqual(self.run_box(self.config("sh", "-c", "exit 3"), "--timeout", "1000").returncode, 3)


class LogTest(RunnerTestCase):

    def log_of(self, log_format):
        log = self.path("log-" + log_format)
        result = self.runner("--log", log, "--log-format", log_format, "state", "nobody", check=False)
        self.assert_refused(result, "container 'nobody' does not exist")
        return read_text(log)

    def test_as_json(self):
        lines = self.log_of("json").splitlines()
        self.assertEqual(len(lines), 1)
        entry = json.loads(lines[0])
        self.assertEqual(entry["level"], "error")
        self.assertEqual(entry["msg"], "container 'nobody' does not exist")
        self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_as_text(self):
        self.assertRegex(self.log_of("text"), r"^time=\"[^\"]*\" level=error msg=\"container 'nobody' does not exist\"\n$")

    def test_it_is_appended_to(self):
        self.log_of("json")
        self.assertEqual(len(self.log_of("json").splitlines()), 2)

    def test_wrong_usage_and_warnings_are_logged(self):
        log = self.path("log")
        config = self.config("true")
        config["hooks"] = {"poststop": [{"path": "/bin/false"}]}
        self.run_box(config, before=("--log", log, "--log-format", "json"))
        entries = [json.loads(line) for line in read_text(log).splitlines()]
        self.assertEqual([entry["level"] for entry in entries], ["warning"])
        self.assertIn("poststop hook failed with exit code 1", entries[0]["msg"])


class DocumentTest(RunnerTestCase):

    def test_spec_writes_what_runs(self):
        self.assertEqual(self.run_box(self.config("echo", "fine")).stdout, "fine\n")

    def test_spec_does_not_overwrite(self):
        self.config("true")
        self.assert_refused(self.runner("spec", "--bundle", self.bundle, check=False), "exists. Remove it first")

    def test_spec_of_the_present_directory(self):
        os.mkdir(self.path("other"))
        self.runner("spec", cwd=self.path("other"))
        self.assertEqual(read_json(self.path("other", "config.json"))["hostname"], "runner")

    def test_features_are_json(self):
        features = json.loads(self.runner("features").stdout)
        self.assertEqual(features["ociVersionMin"], "1.0.0")
        self.assertIn("rbind", features["mountOptions"])
        self.assertIn("createRuntime", features["hooks"])
        self.assertIn("CAP_CHOWN", features["linux"]["capabilities"])
        self.assertIn("time", features["linux"]["namespaces"])
        self.assertTrue(features["linux"]["seccomp"]["enabled"])

    def test_the_version_names_the_specification(self):
        self.assertRegex(self.runner("--version").stdout, r"^runner version \S+\nspec: 1\.\d+\.\d+\n")

    def test_help_and_the_generated_documents_know_all_commands(self):
        commands = ["create", "start", "state", "kill", "delete", "run", "exec", "list", "ps", "pause", "resume",
                    "update", "events", "spec", "features"]
        overview = self.runner("--help").stdout
        manual = self.runner("__man").stdout
        self.assertIn(".TH", manual)
        for command in commands:
            self.assertIn(command, overview)
            self.assertIn(command, manual)
            self.assertIn(f"runner {command}", self.runner(command, "--help").stdout)
            for shell in ("bash", "zsh", "fish"):
                self.assertIn(command, self.runner("completion", shell).stdout)

    def test_the_bash_completion_completes(self):
        self.start_box()
        completion = self.path("completion")
        with open(completion, "w", encoding="utf-8") as file:
            file.write(self.runner("completion", "bash").stdout)
        program = os.path.dirname(RUNNER)
        script = (f". {completion}; COMP_WORDS=(runner --root {self.path('states')} state b); COMP_CWORD=4; "
                  "COMP_LINE=\"${COMP_WORDS[*]}\"; COMP_POINT=${#COMP_LINE}; "
                  "$(complete -p runner | sed 's/.*-F \\([^ ]*\\).*/\\1/') runner b state; echo \"${COMPREPLY[*]}\"")
        result = run("bash", "-c", script, env={**os.environ, "PATH": program + ":" + os.environ["PATH"]})
        self.assertEqual(result.stdout.split(), ["box"], result.stderr)


class ListTest(RunnerTestCase):

    def test_without_containers(self):
        self.assertEqual(self.runner("list", "-q").stdout, "")
        self.assertEqual(self.runner("list", "--format", "json").stdout, "null\n")
        self.assertEqual(self.runner("list").stdout.split(),
                         ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])

    def test_of_one(self):
        self.start_box()
        state = self.state()
        self.assertEqual(self.runner("list", "-q").stdout, "box\n")
        row = self.runner("list").stdout.splitlines()[1].split()
        self.assertEqual(row, ["box", str(state["pid"]), "running", self.bundle, state["created"], "root"])
        listed = json.loads(self.runner("list", "--format", "json").stdout)
        self.assertEqual(len(listed), 1)
        self.assertEqual(listed[0]["id"], "box")
        self.assertEqual(listed[0]["pid"], state["pid"])
        self.assertEqual(listed[0]["owner"], "root")

    def test_state(self):
        self.start_box()
        state = self.state()
        self.assertEqual(state["ociVersion"], "1.2.0")
        self.assertEqual(state["id"], "box")
        self.assertEqual(state["status"], "running")
        self.assertEqual(state["bundle"], self.bundle)
        self.assertEqual(state["rootfs"], self.path("bundle", "rootfs"))
        self.assertEqual(os.readlink(f"/proc/{state['pid']}/root"), "/")
        self.assertRegex(state["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        self.assertEqual(state["annotations"], {})

    def test_ps(self):
        self.start_box("sh", "-c", "sleep 1000000 & sleep 1000000; exit 0")
        wait_until(lambda: len(json.loads(self.runner("ps", "--format", "json", "box").stdout)) == 3, "three processes")
        self.assertIn(self.state()["pid"], json.loads(self.runner("ps", "--format", "json", "box").stdout))
        if not os.path.exists("/bin/ps"):
            self.skipTest("needs ps(1)")
        lines = self.runner("ps", "box").stdout.splitlines()
        self.assertIn("UID", lines[0])
        self.assertEqual(len(lines), 4)
        lines = self.runner("ps", "box", "-o", "pid,comm").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["PID", "COMMAND"])
        self.assertEqual(len(lines), 4)


class ControlTest(RunnerTestCase):

    def status(self):
        return self.state()["status"]

    def test_create_and_start(self):
        self.write(self.config("sleep", "1000000"))
        self.detached("create", "--bundle", self.bundle, "--pid-file", self.path("pid"), "box")
        self.assertEqual(self.status(), "created")
        self.assertEqual(read_text(self.path("pid")), str(self.state()["pid"]))
        self.runner("start", "box")
        self.assertEqual(self.status(), "running")
        self.assert_refused(self.runner("start", "box", check=False), "cannot start an already running container")
        self.assert_refused(self.runner("delete", "box", check=False), "that is not stopped: running")

    def test_kill_with_0_asks_whether_it_runs(self):
        self.start_box()
        self.runner("kill", "box", "0")
        self.assertEqual(self.status(), "running")
        self.runner("kill", "box", "KILL")
        wait_until(lambda: self.status() == "stopped", "it stops")
        self.assert_refused(self.runner("kill", "box", "0", check=False), "container not running")

    def test_kill_knows_signals_by_name_and_number(self):
        for word in ("KILL", "SIGKILL", "kill", "9"):
            self.start_box()
            self.runner("kill", "box", word)
            wait_until(lambda: self.status() == "stopped", "it stops")
            self.runner("delete", "box")
        self.start_box()
        for word in ("NOSUCH", "SIG", "0x9", "65", "-1", ""):
            self.assertNotEqual(self.runner("kill", "box", word, check=False).returncode, 0, word)
        self.assertEqual(self.status(), "running")

    def test_pause_and_resume(self):
        self.start_box()
        self.runner("pause", "box")
        self.assertEqual(self.status(), "paused")
        self.assert_refused(self.runner("exec", "box", "true", check=False), "paused container", code=255)
        self.runner("resume", "box")
        self.assertEqual(self.status(), "running")
        self.assert_refused(self.runner("resume", "box", check=False), "container not paused")

    def test_delete_by_pattern(self):
        config = self.config("sleep", "1000000")
        for name in ("box-1", "box-2", "other"):
            config["linux"]["cgroupsPath"] = config["linux"]["cgroupsPath"].rsplit("/", 1)[0] + "/" + name
            self.write(config)
            self.detached("run", "-d", "--bundle", self.bundle, name)
        self.runner("delete", "--force", "--regex", "^box-[0-9]$")
        self.assertEqual(self.runner("list", "-q").stdout, "other\n")
        # One that stands in the way is told, and the others go.
        config["linux"]["cgroupsPath"] += "-2"
        self.write(config)
        self.detached("create", "--bundle", self.bundle, "yet-another")
        self.assert_refused(self.runner("delete", "--regex", "other$", check=False), "'other' that is not stopped")
        self.assertEqual(self.runner("list", "-q").stdout, "other\n")
        self.assert_refused(self.runner("delete", "--regex", "(", check=False), "reading pattern '('")

    def test_update(self):
        self.start_box()
        self.runner("update", "--pids-limit", "33", "--memory", "64M", "box")
        stats = json.loads(self.runner("events", "--stats", "box").stdout)
        self.assertEqual(stats["data"]["pids"]["limit"], 33)
        self.assertEqual(stats["data"]["memory"]["usage"]["limit"], 64 << 20)
        self.runner("update", "--resources", "-", "box", input='{"pids": {"limit": 44}}')
        stats = json.loads(self.runner("events", "--stats", "box").stdout)
        self.assertEqual(stats["data"]["pids"]["limit"], 44)
        self.assert_refused(self.runner("update", "--resources", "-", "box", input="{", check=False), "parsing the resources")

    def test_events(self):
        self.start_box()
        event = json.loads(self.runner("events", "--stats", "box").stdout)
        self.assertEqual((event["type"], event["id"]), ("stats", "box"))
        self.assertEqual(event["data"]["pids"]["current"], 1)
        self.assertGreater(event["data"]["memory"]["usage"]["usage"], 0)
        with subprocess.Popen([RUNNER, "--root", self.path("states"), "events", "--interval", "50ms", "box"],
                              stdout=subprocess.PIPE) as watcher:
            for _ in range(3):
                self.assertEqual(json.loads(watcher.stdout.readline())["type"], "stats")
            self.runner("kill", "box", "KILL")
            self.assertEqual(watcher.wait(), 0)
        for option in ("--stats", "--interval=1s"):
            result = self.runner("events", option, "box", check=False)
            self.assert_refused(result, "container not running: 'box'\n")
            self.assertEqual(result.stdout, "")
        for interval in ("", "5", "x", "-1s", "0s", "1e3s"):
            self.assertNotEqual(self.runner("events", "--interval", interval, "box", check=False).returncode, 0)

    def test_events_end_with_the_container(self):
        """At once, although the next line would come much later, and also where it is deleted."""
        for command in (["kill", "box", "KILL"], ["delete", "--force", "box"]):
            self.start_box()
            with subprocess.Popen([RUNNER, "--root", self.path("states"), "events", "--interval", "100h", "box"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watcher:
                self.assertEqual(json.loads(watcher.stdout.readline())["type"], "stats")
                self.runner(*command)
                self.assertEqual(watcher.communicate(timeout=60), (b"", b""))
                self.assertEqual(watcher.returncode, 0)
            self.runner("delete", "--force", "box")

    def test_exec_options(self):
        self.start_box()
        said = self.runner("exec", "--cwd", "/home", "--user", "1000:1001", "--additional-gids", "5", "--env", "A=b",
                           "--cap", "CAP_KILL", "--no-new-privs", "box", "sh", "-c",
                           "pwd; id -u; id -g; id -G; echo $A; cat /proc/self/status").stdout
        self.assertTrue(said.startswith("/home\n1000\n1001\n1001 5\nb\n"), said)
        self.assertIn("NoNewPrivs:\t1\n", said)
        self.assertIn("CapInh:\t0000000000000000\n", said)
        for user in ("root", "1:2:3", "-1", "1 ", "4294967295", "", "1:"):
            result = self.runner("exec", f"--user={user}", "box", "id", "-u", check=False)
            if user:
                self.assert_refused(result, "reading user", code=255)

    def test_exec_of_a_process_file(self):
        self.start_box()
        with open(self.path("process.json"), "w", encoding="utf-8") as file:
            json.dump({"args": ["sh", "-c", "echo $A; pwd"], "cwd": "/tmp", "env": ["PATH=/bin", "A=b"]}, file)
        self.assertEqual(self.runner("exec", "--process", self.path("process.json"), "box").stdout, "b\n/tmp\n")

    def test_exec_detached(self):
        self.start_box()
        self.detached("exec", "--detach", "--pid-file", self.path("pid"), "box", "sleep", "1000000")
        pid = int(read_text(self.path("pid")))
        self.assertIn(pid, json.loads(self.runner("ps", "--format", "json", "box").stdout))


class RunOptionTest(RunnerTestCase):

    def test_the_receipt(self):
        receipt_path = self.path("receipt.json")
        result = self.run_box(self.config("sh", "-c", "exit 5"), "--receipt", receipt_path)
        self.assertEqual(result.returncode, 5)
        receipt = read_json(receipt_path)
        self.assertEqual(receipt["exitCode"], 5)
        self.assertEqual(receipt["signal"], 0)
        self.assertIs(receipt["timedOut"], False)
        self.assertIs(receipt["oomKilled"], False)
        self.assertGreater(receipt["memoryPeakBytes"], 0)
        wall = receipt["wallMicroseconds"]
        self.assertEqual(wall["start"] + wall["run"], wall["total"])
        self.run_box(self.config("sleep", "1000000"), "--timeout", "0.1", "--receipt", receipt_path,
                     stdin=subprocess.DEVNULL)
        receipt = read_json(receipt_path)
        self.assertIs(receipt["timedOut"], True)
        self.assertEqual(receipt["signal"], signal.SIGKILL)

    def test_the_receipt_without_a_cgroup(self):
        receipt_path = self.path("receipt.json")
        result = self.run_box(self.config("sh", "-c", "exit 5"), "--receipt", receipt_path,
                              before=["--cgroup-manager", "disabled"])
        self.assertEqual((result.returncode, result.stderr), (5, ""))
        receipt = read_json(receipt_path)
        self.assertEqual(receipt["exitCode"], 5)
        self.assertIsNone(receipt["memoryPeakBytes"])

    def test_cgroups_of_others_are_left_alone(self):
        """One that has the name by accident is not what was made for the container."""
        self.start_box()
        strangers = [os.path.join(cgroup, "box") for cgroup in leftover_cgroups()]
        self.assertNotEqual(strangers, [])
        pid = self.state()["pid"]
        self.detached("--cgroup-manager", "disabled", "run", "--detach", "--bundle", self.bundle, "another")
        another = self.state("another")["pid"]
        self.assertEqual(json.loads(self.runner("ps", "--format", "json", "another").stdout), [another])
        self.runner("delete", "--force", "another")
        self.assertEqual(self.state()["pid"], pid)
        self.assertEqual([os.path.join(cgroup, "box") for cgroup in leftover_cgroups()], strangers)
        self.runner("delete", "--force", "box")

    def test_the_receipt_tells_of_the_oom_killer(self):
        config = self.config("sh", "-c", "head -c 100m /dev/zero | cat > /dev/null; x=$(head -c 100m /dev/zero | cat -v)")
        config["linux"]["resources"]["memory"] = {"limit": 8 << 20, "swap": 8 << 20}
        self.run_box(config, "--receipt", self.path("receipt.json"))
        receipt = read_json(self.path("receipt.json"))
        self.assertIs(receipt["oomKilled"], True)

    def test_keep(self):
        self.run_box(self.config("true"), "--keep")
        self.assertEqual(self.state()["status"], "stopped")
        self.runner("delete", "box")

    def test_another_config(self):
        config = self.config("echo", "another")
        with open(self.path("another.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        os.unlink(self.path("bundle", "config.json"))
        result = self.runner("run", "--bundle", self.bundle, "--config", self.path("another.json"), "box")
        self.assertEqual(result.stdout, "another\n")

    def test_descriptors_are_preserved(self):
        config = self.config("sh", "-c", "cat <&3; ls /proc/self/fd")
        self.write(config)
        with open(self.path("file"), "w+", encoding="utf-8") as file:
            file.write("preserved\n")
            file.flush()
            file.seek(0)
            result = run("sh", "-c", f"exec 3<{self.path('file')} 4</; exec \"$@\"", "sh", RUNNER, "--root",
                         self.path("states"), "run", "--preserve-fds", "1", "--bundle", self.bundle, "box")
        # 3 is also what ls itself opens.
        self.assertEqual(result.stdout, "preserved\n0\n1\n2\n3\n4\n")

    def test_listening_sockets_are_handed_down(self):
        self.write(self.config("sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; test -S /proc/self/fd/3 && echo socket"))
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            command = [RUNNER, "--root", self.path("states"), "run", "--bundle", self.bundle, "box"]
            result = subprocess.run(
                ["python3", "-c",
                 "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', "
                 "LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])",
                 str(listening.fileno()), *command],
                pass_fds=[listening.fileno()], capture_output=True, text=True, check=False)
        self.assertEqual(result.stdout, "1 1\nsocket\n", result.stderr)

    def test_a_terminal(self):
        config = self.config("sh", "-c", "tty; test -t 0 && echo is a tty; read line; echo got $line")
        config["process"]["terminal"] = True
        said = self.run_box(config, input="word\n").stdout.replace("\r", "")
        # Where the word that was typed shows depends on who is first.
        self.assertIn("/dev/pts/0\nis a tty\n", said)
        self.assertTrue(said.endswith("got word\n"), said)


class RefusalTest(RunnerTestCase):

    def test_systemd_cgroups(self):
        self.write(self.config("true"))
        for option in (["--systemd-cgroup"], ["--cgroup-manager", "systemd"]):
            result = self.runner(*option, "run", "--bundle", self.bundle, "box", check=False)
            self.assert_refused(result, "systemd")
            self.assertEqual(self.runner("list", "-q").stdout, "")

    def test_checkpoint_and_restore(self):
        for command in ("checkpoint", "restore"):
            self.assert_refused(self.runner(command, "--image-path", "/tmp/x", "box", check=False), "not supported")

    def test_without_cgroups(self):
        self.assertEqual(self.run_box(self.config("echo", "fine"), before=("--cgroup-manager", "disabled")).stdout,
                         "fine\n")


if __name__ == "__main__":
    harness.main()
