"""What the tests of crashes share: a union by FUSE whose server can be killed before a chosen call, and what its
branches say without it.
"""
import ctypes
import os
import stat
import subprocess

import harness

UNIONMOUNT = os.environ["UNIONMOUNT"]
KILLER = os.environ["KILL_AT_SYSCALL"]
# LeakSanitizer cannot look at a process that is traced, and fails.
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
PATIENCE = 60  # seconds; whoever takes longer hangs
OLD = 1_000_000_000  # seconds; the time of what lies on branches before a test
RECENT = 1_700_000_000


class Branches:
    """Two branches below a directory, one over the other, and how a union of them is mounted."""

    def __init__(self, root, fmt):
        self.root, self.format = root, fmt
        self.upper, self.lower, self.work, self.union = (
            os.path.join(root, name) for name in ("upper", "lower", "work", "union"))
        for path in (self.upper, self.lower, self.work, self.union):
            os.makedirs(path, exist_ok=True)

    def path(self, name):
        """Of a name in the union."""
        return os.path.join(self.union, name)

    @property
    def options(self):
        if self.format == "aufs":
            return f"br:{self.upper}=rw:{self.lower}=ro,dirren"
        return f"lowerdir={self.lower},upperdir={self.upper},workdir={self.work},dirren"

    @property
    def staging(self):
        if self.format == "aufs":
            return os.path.join(self.upper, ".wh..wh.orph")
        return os.path.join(self.work, "aufs/staging")

    def hide(self, name):
        """Puts a whiteout on the upper branch."""
        path = os.path.join(self.upper, name)
        if self.format == "aufs":
            with open(os.path.join(os.path.dirname(path), ".wh." + os.path.basename(path)), "wb"):
                pass
        else:
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))

    def whiteouts(self):
        """The names on the upper branch that have one."""
        found = set()
        for directory, directories, files in os.walk(self.upper):
            if directory == self.upper and self.format == "aufs":
                directories[:] = [n for n in directories if not n.startswith(".wh..wh.")]
            for name in files:
                path = os.path.relpath(os.path.join(directory, name), self.upper)
                if self.format == "overlay" and _is_device_zero(os.lstat(os.path.join(directory, name))):
                    found.add(path)
                elif self.format == "aufs" and name.startswith(".wh.") and not name.startswith(".wh..wh."):
                    # One beside its name hides nothing.
                    if not os.path.lexists(os.path.join(directory, name[4:])):
                        found.add(os.path.join(os.path.dirname(path), name[4:]))
        return found

    def merged(self):
        """What the branches show to one who knows the format."""
        objects = {}
        links = os.path.join(self.upper, ".wh..wh.plnk") if self.format == "aufs" else os.path.join(
            self.work, "aufs/links")
        # On one file system, numbers in the union are those on the branch.
        links = {int(name.split(".")[0]): os.path.join(links, name) for name in os.listdir(links)}
        _merge([self.upper, self.lower], ".", self.format, links, objects)
        return objects


def _is_device_zero(info):
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def _is_opaque(path, fmt):
    if fmt == "aufs":
        return os.path.exists(os.path.join(path, ".wh..wh..opq"))
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _record(path):
    info = os.lstat(path)
    record = {"mode": oct(info.st_mode), "owner": (info.st_uid, info.st_gid),
              "xattrs": {n: os.getxattr(path, n, follow_symlinks=False)
                         for n in os.listxattr(path, follow_symlinks=False) if ".overlay." not in n}}
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            record["content"] = _shown(file.read())
    elif stat.S_ISLNK(info.st_mode):
        record["target"] = os.readlink(path)
    if not stat.S_ISDIR(info.st_mode):
        # Times of the test itself differ from run to run.
        record["mtime"] = info.st_mtime_ns if info.st_mtime < RECENT else "recent"
    return record, info


def _shown(content):
    return content if len(content) < 100 else f"{len(content)} bytes, {hash(content):x}"


def _merge(directories, name, fmt, links, objects):
    objects[name] = _record(directories[0])[0]
    below = {}  # name -> the paths that count, top first
    hidden = set()
    for directory in directories:
        names = os.listdir(directory)
        whiteouts = set()
        if fmt == "aufs" and directory == directories[0] or fmt == "overlay":
            whiteouts = {n[4:] for n in names if n.startswith(".wh.")} if fmt == "aufs" else {
                n for n in names if _is_device_zero(os.lstat(os.path.join(directory, n)))}
        for child in names:
            path = os.path.join(directory, child)
            if child in hidden or child.startswith(".wh.") or (fmt == "overlay" and child in whiteouts):
                continue
            below.setdefault(child, []).append(path)
        hidden |= whiteouts
        hidden |= {n for n in names if not os.path.isdir(os.path.join(directory, n)) or
                   os.path.islink(os.path.join(directory, n)) or _is_opaque(os.path.join(directory, n), fmt)}
    for child in sorted(below):
        paths = below[child]
        child_name = os.path.join(name, child)
        if stat.S_ISDIR(os.lstat(paths[0]).st_mode):
            _merge(paths, child_name, fmt, links, objects)
        else:
            objects[child_name] = _record(links.get(os.lstat(paths[0]).st_ino, paths[0]))[0]


def view(branches):
    """What the union shows. A file that has the number of a lower one says so by that one's names."""
    numbers = {}
    for directory, _, names in os.walk(branches.lower):
        for name in names:
            path = os.path.join(directory, name)
            numbers.setdefault(os.lstat(path).st_ino, []).append(os.path.relpath(path, branches.lower))
    objects, inodes = {}, {}

    def visit(path, name):
        record, info = _record(path)
        objects[name] = record
        if stat.S_ISDIR(info.st_mode):
            for child in sorted(os.listdir(path)):
                visit(os.path.join(path, child), os.path.join(name, child))
            return
        record["links"] = info.st_nlink
        record["number of"] = sorted(numbers.get(info.st_ino, []))
        inodes.setdefault(info.st_ino, []).append(name)

    visit(branches.union, ".")
    for names in inodes.values():
        for name in names:
            objects[name]["names"] = sorted(names)
    return objects


def _with_fewer_links(shown):
    return {name: record | {"links": record["links"] - 1} if len(record.get("number of", ())) > 1 else record
            for name, record in shown.items()}


class States:
    """What may be found after a crash: what was there after 0, 1, ... steps."""

    def __init__(self):
        self.merged, self.shown, self.whiteouts = [], [], []

    def add(self, branches):
        self.merged.append(branches.merged())
        self.shown.append(view(branches))
        self.whiteouts.append(branches.whiteouts())

    @staticmethod
    def of(case, branches):
        """Those of a change that nothing interrupts."""
        states = States()
        union = Union(branches)
        try:
            states.add(branches)
            for step in case.steps:
                step(branches.path)
                states.add(branches)
        finally:
            union.end()
        return states


def state_of(states, found, first, last, what):
    """The number of the state, from `first` to `last`, that was found."""
    for number in range(first, last + 1):
        if found == states[number]:
            return number
    # Between the whiteout of a name that leads to a copy and the record of it, the copy counts it still.
    for number in range(first, last + 1):
        if "./d/h" in found and _with_fewer_links(found) == states[number]:
            return number
    raise AssertionError(f"{what}: " + " -- or -- ".join(
        harness.tree_differences(state, found, 6) for state in states[first:last + 1]))


class MountError(AssertionError):
    """The text is what the program said."""


class Union:
    """A mounted union."""

    def __init__(self, branches):
        self.branches = branches
        self.tracer, self.calls = None, 0
        before = set(os.listdir("/run/aufs")) if os.path.isdir("/run/aufs") else set()
        # Stays until the union is unmounted, or was after the death of the server.
        self.program = subprocess.Popen(
            [UNIONMOUNT, "mount", "-f", "-v", "-t", "fuse", "-o", branches.options, branches.union],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        if not self.program.stdout.readline():
            raise MountError(self.program.communicate(timeout=PATIENCE)[1])
        (union,) = set(os.listdir("/run/aufs")) - before
        with open(f"/run/aufs/{union}/pid", encoding="ascii") as file:
            self.server = int(file.read())

    def run_killed(self, case, number):
        """Runs the steps, and ends. Gives how many were done, and before which call the server was killed, or None."""
        done = 0
        try:
            view(self.branches)
            self.kill_at(number)
            for step in case.steps:
                step(self.branches.path)
                done += 1
        except OSError:
            pass
        call = self.end()
        if call is None and done < len(case.steps):
            raise AssertionError(f"step {done} failed")
        return done, call

    def kill_at(self, number):
        """The server will be killed before its call `number`, counted from now."""
        self.report = os.path.join(self.branches.root, "report")
        self.tracer = subprocess.Popen([KILLER, str(number), self.report, "-p", str(self.server)],
                                       stdout=subprocess.PIPE)
        if not self.tracer.stdout.readline():
            raise AssertionError("the server could not be traced")

    def end(self):
        """Unmounts, if the death of the server has not. Gives the call before which it was killed."""
        ctypes.CDLL(None).umount2(os.fsencode(self.branches.union), 2)  # MNT_DETACH
        self.program.communicate(timeout=PATIENCE)
        if self.tracer is None:
            return None
        self.tracer.stdout.close()
        if self.tracer.wait() != 0:
            raise AssertionError("the tracer failed")
        with open(self.report, encoding="ascii") as file:
            words = file.read().split()
        self.calls = int(words[1])
        return words[2] if words[0] == "killed" else None
