#!/usr/bin/env python3
"""Every single system call on the way to a container, made to fail in turn.

For each: the command fails, with one line that says at what, and leaves no process, cgroup, mount or
file; or the call is on a list below, with the reason why its failure means nothing.
"""
import collections
import concurrent.futures
import errno
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from runner_bundle import BUSYBOX, RUNNER, make_rootfs, read_json, read_text

FAILER = os.environ["FAIL_AT_SYSCALL"]
# Each error that is named here: LAYERKIT_FAULTS="EIO ENOMEM EPERM EINVAL".
ERRORS = os.environ.get("LAYERKIT_FAULTS", "EIO").split()
# Only the calls that this matches, of "parent write /sys/fs/cgroup/NAME/pids.max" and the like.
ONLY = os.environ.get("LAYERKIT_FAULT_CALLS", "")
STEP = 7 if harness.SANITIZED else 1
# LeakSanitizer cannot look at a process that is traced, and fails.
TRACED = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
# They wait for the kernel more than they work. Each makes a run that finds nothing more to do.
WORKERS = 4 if not ONLY else 2

Outcome = collections.namedtuple("Outcome", "call calls code left errors output")


def cgroup_mounts():
    found = []
    for line in read_text("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            found.append(fields[4])
    return found


def without_ids(mountinfo):
    return [line.split()[2:] for line in mountinfo.splitlines()]


class Place:
    """Where one worker makes its containers: a bundle, a directory of states, cgroups of its own."""

    numbers = itertools.count()

    def __init__(self, change):
        self.dir = tempfile.mkdtemp(prefix="layerkit-e2e-")
        self.cgroup = f"layerkit-faults-{os.getpid()}-{next(self.numbers)}"
        self.states = os.path.join(self.dir, "states")
        self.bundle = os.path.join(self.dir, "bundle")
        os.makedirs(os.path.join(self.dir, "pids"))
        os.mkdir(self.bundle)
        make_rootfs(os.path.join(self.bundle, "rootfs"))
        self.runner("spec", "--bundle", self.bundle)
        path = os.path.join(self.bundle, "config.json")
        config = read_json(path)
        config["process"]["terminal"] = False
        config["process"]["args"] = ["/bin/true"]
        config["linux"]["cgroupsPath"] = self.cgroup + "/box"
        change(config, self)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.files = self.all_files()

    def clean(self):
        """After a failure of the test itself."""
        self.runner("delete", "--force", "box", check=False)
        for cgroup in self.cgroups():
            for directory, _, files in os.walk(cgroup, topdown=False):
                for pid in read_text(os.path.join(directory, "cgroup.procs")).split() if files else []:
                    os.kill(int(pid), signal.SIGKILL)
                for _ in range(100):
                    try:
                        os.rmdir(directory)
                        break
                    except OSError:
                        time.sleep(0.05)
        shutil.rmtree(self.states, ignore_errors=True)

    def remove(self):
        self.clean()
        shutil.rmtree(self.dir, ignore_errors=True)

    def runner(self, *arguments, check=True):
        return harness.run(RUNNER, "--root", self.states, *arguments, check=check, stdin=subprocess.DEVNULL)

    def quietly(self, *arguments):
        """What leaves a process behind, which must not keep our pipes open."""
        command = [RUNNER, "--root", self.states, *arguments]
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode
        assert code == 0, command

    def all_files(self):
        """Of the bundle and beside it; what is in the root file system is the container's."""
        return sorted(os.path.join(directory, name)
                      for top in (self.dir, self.bundle, os.path.join(self.dir, "pids"))
                      for directory, dirs, files in os.walk(top)
                      if directory == top for name in dirs + files)

    def cgroups(self):
        return [path for path in (os.path.join(mount, self.cgroup) for mount in cgroup_mounts())
                if os.path.exists(path)]

    def containers(self):
        return [name for name in os.listdir(self.states) if not name.startswith(".")] \
            if os.path.isdir(self.states) else []

    def leftovers(self):
        """What a container that is no more has left."""
        files = [name for name in self.all_files() if name not in self.files and name != self.states]
        return self.cgroups() + self.containers() + files

    def failing(self, who, at, error, arguments, *, stays):
        report = os.path.join(self.dir, "report")
        said = os.path.join(self.dir, "said")
        command = [FAILER, who, str(at), str(error), "box", "stays" if stays else "ends", ONLY, report,
                   RUNNER, "--root", self.states, *arguments]
        with open(said, "w+", encoding="utf-8") as output:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    env=TRACED, timeout=60, check=False)
        text = read_text(said)
        assert result.returncode == 0, text
        lines = dict(line.split(" ", 1) for line in read_text(report).splitlines())
        os.unlink(report)
        os.unlink(said)
        return Outcome(lines.get("call"), int(lines["calls"]), int(lines["exit"]), int(lines["left"]),
                       text.splitlines(), text)


def is_one_error(lines):
    """One line of the runner's, or of the process that was about to execute the program, or one of each: where that
    ended, the runner may see that it did."""
    ours = [line for line in lines if re.match(r"runner: (?!warning)", line)]
    its = [line for line in lines if line.startswith("exec")]
    return len(ours) <= 1 and len(its) <= 1 and len(ours) + len(its) == len(lines) > 0


class Walk:
    """One command, once for each of its calls.

    `before` and `after` are what happens around each run, without failures: `after` says whether the
    command succeeded, and gives what is wrong then.
    """

    def __init__(self, test, who, arguments, change, *, harmless=(), stays=False, before=None, after=None,
                 keeps_box=False, kills=False):
        self.test = test
        self.who = who
        self.arguments = arguments
        self.change = change
        self.harmless = harmless
        self.stays = stays
        self.before = before
        self.after = after
        self.keeps_box = keeps_box
        self.errors = [getattr(errno, name) for name in ERRORS] if not kills else [0]
        self.numbers = itertools.count(1, STEP)
        self.is_over = threading.Event()
        self.problems = []
        self.runs = 0

    def go(self):
        for error in self.errors:
            self.numbers = itertools.count(1, STEP)
            self.is_over.clear()
            with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                for future in [pool.submit(self._work, error) for _ in range(WORKERS)]:
                    future.result()
        print(f"{self.test.id()}: {self.who}: {self.runs} runs", flush=True)
        self.test.assertEqual(self.problems, [], "\n".join(self.problems))
        self.test.assertGreater(self.runs, 0 if ONLY else 10)

    def _work(self, error):
        place = Place(self.change)
        try:
            while not self.is_over.is_set():
                at = next(self.numbers)
                if self.before is not None:
                    self.before(place)
                outcome = place.failing(self.who, at, error, self._arguments_at(place), stays=self.stays)
                if outcome.call is None:
                    self.is_over.set()
                else:
                    self.runs += 1
                reported = len(self.problems)
                for problem in self._problems_of(place, outcome):
                    self.problems.append(f"{' '.join(self.arguments[:1])}: call {at} ({outcome.call}, "
                                         f"{errno.errorcode.get(error, 'killed')}): {problem}; "
                                         f"exit {outcome.code}, said {outcome.output!r}")
                if len(self.problems) > reported:
                    place.clean()
        finally:
            place.remove()

    def _arguments_at(self, place):
        return [argument.format(bundle=place.bundle, pids=os.path.join(place.dir, "pids"))
                for argument in self.arguments]

    def _problems_of(self, place, outcome):
        if outcome.left:
            yield f"{outcome.left} processes are left"
        if outcome.code < 0:
            yield "it hangs"
        elif outcome.call is None:
            if outcome.code != 0:
                yield "it fails without a failing call"
        elif self.errors == [0]:
            if outcome.code != 128 + signal.SIGKILL:
                yield "it was not killed"
        elif self._reason(outcome) is None:
            if outcome.code == 0:
                yield "it succeeds all the same"
            elif not is_one_error(outcome.errors):
                yield "it does not say one error"
        elif outcome.code != 0 and not is_one_error(outcome.errors):
            yield "a harmless failure is an error without words"
        if self.after is not None:
            yield from self.after(place, outcome)
        left = [] if self.keeps_box else place.leftovers()
        if left:
            yield f"left are {left}"

    def _reason(self, outcome):
        return next((reason for pattern, reason in self.harmless if re.match(pattern, outcome.call)), None)


# What need not succeed: the call, and why.
STREAMS = ("child (newfstatat|fcntl|fchown) (/dev/null|/dev/pts/0|.*/said)", "the streams stay their owner's, as most must")
MEMORY = ("parent mmap ", "the C library asks for less, or there is an end by std::bad_alloc")
CAPABILITIES = ("parent prctl 23 ", "a capability that cannot be asked for is told of and left out")
LOCAL_TIME = ("parent [a-z0-9]+ (/etc/localtime|/usr/share/zoneinfo/)", "the C library's: times are UTC")
HOME = ("parent ((openat2|fstat|newfstatat|read) .*/etc/passwd|openat /proc/self/fd/)", "HOME is / where there is no passwd file")
FREEZER = ("parent (openat|read|pread64) .*/(freezer.state|cgroup.events)", "what cannot be read is not frozen")
STAGE = ("parent waitid ", "the process that joined the namespaces has ended; nobody needs its exit code")
NAMESPACES = ("parent newfstatat /proc/self/ns/", "a namespace that cannot be compared with one's own is joined")
CGROUPS = ("parent (newfstatat|statfs) /sys/fs/cgroup(/[a-z,_]+)?$",
           "a hierarchy that is not seen at its usual place is looked for in mountinfo")
ROOT = ("parent statfs /$", "a root that cannot be looked at is taken for an initramfs, which needs more care")
CONTROLLERS = ("parent write .*/cgroup.subtree_control", "they are asked for one by one, then; a limit without one is refused")
SUBTREE = ("parent (openat|read) .*/cgroup.subtree_control",
           "exec takes the container's own cgroup; v2 refuses where not")
SECCOMP = ("parent ([a-z0-9]+ .*/states/.seccomp|(seccomp|call-63|getrandom) )",
           "the cache of filters is not needed; libseccomp does without what it cannot try")
CPUS = ("parent sched_[gs]etaffinity ", "on which processor the network namespace is made does not matter")
PARENT_HOOKS = ("parent (lseek /memfd:state|pread64 /memfd:hook-output|read pipe:|p?poll )",
                "a hook reads from the start, and how it ended is asked afterwards")
DELETION = ("parent ", "there are many ways to kill; what counts is that nothing is left")
HOOKS = ("child (read pipe:|ppoll )", "how the hook ended is asked afterwards, and decides")
PARENT = (MEMORY, CAPABILITIES, LOCAL_TIME, HOME, FREEZER, STAGE, NAMESPACES, CGROUPS, ROOT, CONTROLLERS, SUBTREE, SECCOMP,
          CPUS, PARENT_HOOKS)
AFFINITY = ("child sched_setaffinity ", "the CPUs stay the caller's")
LOOK_AHEAD = ("child (openat|pread64) /bin/(true|busybox)", "a look ahead: exec itself says what is wrong")


def delete_box(place, _outcome):
    """A container that was made is taken away as anybody would."""
    pid_file = os.path.join(place.dir, "pids/pid")
    if os.path.exists(pid_file) and "box" in place.containers():
        os.unlink(pid_file)
    if "box" not in place.containers():
        return
    result = place.runner("delete", "--force", "box", check=False)
    if result.returncode != 0 or result.stderr:
        yield f"it cannot be deleted: {result.stderr}"


def gone_after_failure(place, outcome):
    """Nothing is left by a command that fails."""
    left = place.leftovers()
    if outcome.code != 0 and left:
        yield f"after the failure there are {left}"
    yield from delete_box(place, outcome)


class FaultsTest(unittest.TestCase):

    def setUp(self):
        if not os.path.exists(BUSYBOX):
            self.skipTest("needs /bin/busybox (package busybox-static)")
        self.mounts = without_ids(read_text("/proc/self/mountinfo"))
        self.addCleanup(lambda: self.assertEqual(without_ids(read_text("/proc/self/mountinfo")), self.mounts))


def plain(config, _place):
    """As docker makes them: limits, rules for devices, a sysctl."""
    if {"type": "cgroup"} not in config["linux"]["namespaces"]:
        config["linux"]["namespaces"].append({"type": "cgroup"})
    config["linux"]["resources"] |= {
        "memory": {"limit": 64 << 20}, "pids": {"limit": 50},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}}
    config["linux"]["sysctl"] = {"kernel.shm_rmid_forced": "1"}
    config["process"]["oomScoreAdj"] = 100
    config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    config["process"]["noNewPrivileges"] = False


def in_user_namespace(config, place):
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "time"}]
    config["linux"]["timeOffsets"] = {"boottime": {"secs": 100}}
    ids = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    config["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    os.mkdir(os.path.join(place.dir, "volume"))
    os.makedirs(os.path.join(place.bundle, "rootfs/copied/below"))
    with open(os.path.join(place.bundle, "rootfs/copied/file"), "w", encoding="utf-8") as file:
        file.write("copied\n")
    os.symlink("file", os.path.join(place.bundle, "rootfs/copied/link"))
    config["mounts"] += [
        {"destination": "/home", "source": os.path.join(place.dir, "volume"), "options": ["rbind", "ro"]},
        {"destination": "/copied", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]
    for directory, _, files in os.walk(place.dir):
        os.chmod(directory, 0o755)
        os.chown(directory, 100000, 100000)
        for file in files:
            os.chown(os.path.join(directory, file), 100000, 100000, follow_symlinks=False)


def with_everything(config, place):
    """A terminal, hooks of every kind, a filter of system calls."""
    config["process"]["terminal"] = True
    config["process"]["consoleSize"] = {"height": 20, "width": 70}
    hook = [{"path": "/bin/true"}]
    config["hooks"] = {kind: hook for kind in ("prestart", "createRuntime", "createContainer", "startContainer",
                                               "poststart")}
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": [],
        "syscalls": [{"names": ["reboot", "swapon"], "action": "SCMP_ACT_ERRNO"}]}


def with_hooks(config, place):
    with_everything(config, place)
    config["process"]["terminal"] = False
    del config["process"]["consoleSize"]


def in_one_cgroup(config, place):
    """Without a cgroup around it, which is taken away where that can be."""
    config["linux"]["cgroupsPath"] = place.cgroup


def sleeping(config, _place):
    config["process"]["args"] = ["/bin/sleep", "1000000"]


class ChildTest(FaultsTest):
    """Between clone and exec."""

    def test_plain(self):
        Walk(self, "child", ["run", "--bundle", "{bundle}", "box"], plain, harmless=(STREAMS, AFFINITY, LOOK_AHEAD),
             after=gone_after_failure).go()

    def test_user_namespace(self):
        Walk(self, "child", ["run", "--bundle", "{bundle}", "box"], in_user_namespace, harmless=(STREAMS, AFFINITY, LOOK_AHEAD),
             after=gone_after_failure).go()

    def test_everything(self):
        Walk(self, "child", ["run", "--bundle", "{bundle}", "box"], with_everything,
             harmless=(STREAMS, AFFINITY, LOOK_AHEAD, HOOKS), after=gone_after_failure).go()


class ParentTest(FaultsTest):
    """From the moment on when the container's directory is made, or looked at."""

    def test_create(self):
        Walk(self, "parent", ["create", "--bundle", "{bundle}", "--pid-file", "{pids}/pid", "box"], plain,
             harmless=PARENT, stays=True, after=gone_after_failure).go()

    def test_create_with_hooks(self):
        Walk(self, "parent", ["create", "--bundle", "{bundle}", "box"], with_hooks,
             harmless=PARENT, stays=True, after=gone_after_failure).go()

    def test_run(self):
        Walk(self, "parent", ["run", "--detach", "--bundle", "{bundle}", "box"], plain,
             harmless=PARENT, stays=True, after=gone_after_failure).go()

    def test_start(self):
        Walk(self, "parent", ["start", "box"], with_hooks, harmless=PARENT, stays=True,
             before=lambda place: place.quietly("create", "--bundle", place.bundle, "box"), after=delete_box).go()

    def test_delete(self):
        Walk(self, "parent", ["delete", "--force", "box"], in_one_cgroup, harmless=(DELETION,),
             before=lambda place: place.quietly("create", "--bundle", place.bundle, "box"), after=delete_box).go()


class KilledTest(FaultsTest):
    """The command itself killed: `delete --force` takes away what it made, and the process ends by itself."""

    def test_create(self):
        Walk(self, "parent", ["create", "--bundle", "{bundle}", "box"], plain, kills=True,
             stays=True, after=delete_box).go()

    def test_run(self):
        Walk(self, "parent", ["run", "--bundle", "{bundle}", "box"], plain, kills=True,
             stays=True, after=delete_box).go()


class ExecTest(FaultsTest):

    def walk(self, who, **options):
        def before(place):
            if "box" not in place.containers():
                place.quietly("run", "--detach", "--bundle", place.bundle, "box")

        def after(place, _outcome):
            processes = json.loads(place.runner("ps", "--format", "json", "box").stdout)
            if len(processes) != 1:
                yield f"{len(processes)} processes are in the container"

        Walk(self, who, ["exec", "box", "/bin/true"], sleeping, before=before, after=after, keeps_box=True,
             **options).go()

    def test_child(self):
        self.walk("child", harmless=(STREAMS, AFFINITY, LOOK_AHEAD))

    def test_parent(self):
        self.walk("parent", harmless=PARENT)


if __name__ == "__main__":
    harness.main()
