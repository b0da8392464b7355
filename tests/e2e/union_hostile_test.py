"""Unions by FUSE of branches that somebody made to confuse them, and what holds all the same.

Branches get random objects under random names, many of which mean something to AUFS or overlayfs; then random calls
are made in the union. LAYERKIT_SEED and LAYERKIT_ROUNDS choose others and more; one round has the seed that is told
when it fails.
"""
import contextlib
import ctypes
import errno
import os
import random
import shutil
import signal
import stat
import threading
import unittest

import harness
from killable_union import Branches, MountError, Union

SEED = int(os.environ.get("LAYERKIT_SEED", "1"))
ROUNDS = int(os.environ.get("LAYERKIT_ROUNDS", "6" if harness.SANITIZED else "18"))
CALLS = 80
PATIENCE = 60  # seconds; a union that takes longer for a round hangs
# What a process is told when the server has gone or is confused.
NEVER = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENOSYS, errno.EPROTO, errno.EBADF, errno.EFAULT}

PLAIN = [b"a", b"b", b"c", b"d", b"x" * 255, b"y" * 251, b"z" * 252, b"\n", b"\xff", b"..."]
RESERVED = [b".wh.a", b".wh.b", b".wh.c", b".wh.d", b".wh.", b".wh..", b".wh..wh.", b".wh..wh.a", b".wh..wh..opq",
            b".wh..wh..wh.a", b".wh." + b"y" * 251, b".wh." + b"z" * 250]
PRIVATE = [b".wh..wh.aufs", b".wh..wh.orph", b".wh..wh.plnk", b".wh..wh.xino"]
XATTRS = [(prefix + name, value) for prefix in ("trusted.overlay.", "user.overlay.") for name, value in (
    ("opaque", b"y"), ("opaque", b"x"), ("opaque", b"\xff" * 40), ("redirect", b"/a"), ("redirect", b"../.."),
    ("redirect", b"x" * 300), ("metacopy", b""), ("metacopy", b"\0\1"), ("origin", b"junk"), ("whiteout", b"y"))]
# Objects with the others are listed and refused: no tree that has them can be compared.
HARMLESS = [(key, value) for key, value in XATTRS if "redirect" not in key and "metacopy" not in key]
# None leads out of the test's own directory: calls may follow them.
TARGETS = [b"../victim", b"../../victim", b"a", b".", b"..", b".wh.a", b"loop", b"x" * 300]


class Maker:
    """Fills branches."""

    def __init__(self, dice):
        self.dice = dice

    def fill(self, directory, depth=0):
        """REQUIRES: a directory that exists."""
        names = PLAIN + RESERVED + (PRIVATE if depth == 0 and self.dice.random() < 0.3 else [])
        for name in self.dice.sample(names, self.dice.randrange(14 - 3 * depth)):
            self.put(os.path.join(directory, name), depth)

    def put(self, path, depth):
        with contextlib.suppress(OSError):  # a name too long for the file system, a link to a directory
            self.make(path, depth)
            if self.dice.random() < 0.3 and not os.path.islink(path):
                os.setxattr(path, *self.dice.choice(HARMLESS))
            if self.dice.random() < 0.2 and not os.path.islink(path):
                os.chmod(path, self.dice.choice([0, 0o111, 0o222, 0o644, 0o1777, 0o4711]))

    def make(self, path, depth):
        kind = self.dice.choice(["file"] * 4 + ["dir"] * 5 + ["link", "symlink", "pipe", "zero", "device", "socket"])
        if kind == "dir":
            os.mkdir(path)
            if depth < 3:
                self.fill(path, depth + 1)
            elif self.dice.random() < 0.02 and b"a/a" not in path:
                os.makedirs(os.path.join(path, *[b"a"] * 40))
        elif kind == "symlink":
            os.symlink(self.dice.choice(TARGETS), path)
        elif kind == "link":
            os.link(os.path.join(os.path.dirname(path), self.dice.choice(PLAIN)), path, follow_symlinks=False)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif kind in ("zero", "device"):
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0) if kind == "zero" else os.makedev(1, 3))
        else:
            with open(path, "wb") as file:
                file.write(self.dice.randbytes(self.dice.choice([0, 10, 5000])))


class Caller:
    """Makes random calls in a union."""

    def __init__(self, dice, root):
        self.dice, self.root = dice, os.fsencode(root)
        self.directories = [self.root]

    def path(self):
        return os.path.join(self.dice.choice(self.directories), self.dice.choice(PLAIN * 3 + RESERVED + PRIVATE))

    def learn(self):
        """Directories that can be entered, as they are now."""
        self.directories = [self.root]
        for directory, names, _ in os.walk(self.root):
            self.directories += [os.path.join(directory, n) for n in names
                                 if not os.path.islink(os.path.join(directory, n))]
            if len(self.directories) > 200:
                break

    def call(self):
        name = self.dice.choice([n for n in dir(self) if n.startswith("do_")])
        getattr(self, name)(self.path())
        return name

    def do_open(self, path):
        flags = self.dice.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT,
                                  os.O_WRONLY | os.O_TRUNC, os.O_CREAT | os.O_EXCL | os.O_RDWR])
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                if flags & 3 != os.O_WRONLY:
                    os.read(fd, 10000)
                if flags & 3 != os.O_RDONLY:
                    os.pwrite(fd, b"written", self.dice.randrange(6000))
        finally:
            os.close(fd)

    def do_list(self, path):
        os.listdir(path)

    def do_unlink(self, path):
        os.unlink(path)

    def do_rmdir(self, path):
        os.rmdir(path)

    def do_mkdir(self, path):
        os.mkdir(path)
        self.directories.append(path)

    def do_symlink(self, path):
        os.symlink(self.dice.choice(TARGETS), path)

    def do_device(self, path):
        os.mknod(path, stat.S_IFCHR | 0o600, self.dice.choice([0, os.makedev(1, 3)]))

    def do_rename(self, path):
        flags = self.dice.choice([0, 0, 0, 1, 2])
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-100, path, -100, self.path(), flags) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def do_link(self, path):
        os.link(path, self.path(), follow_symlinks=False)

    def do_chmod(self, path):
        if not os.path.islink(path):
            os.chmod(path, self.dice.choice([0, 0o644, 0o755]))

    def do_chown(self, path):
        os.chown(path, 1000, 1000, follow_symlinks=False)

    def do_truncate(self, path):
        if stat.S_ISREG(os.lstat(path).st_mode):
            os.truncate(path, self.dice.randrange(8000))

    def do_utime(self, path):
        os.utime(path, (5, 6), follow_symlinks=False)

    def do_xattr(self, path):
        os.listxattr(path, follow_symlinks=False)
        key, value = self.dice.choice(XATTRS + [("user.mine", b"1"), ("user.mine", b"2" * 3000)])
        os.setxattr(path, key, value, follow_symlinks=False)
        os.removexattr(path, key, follow_symlinks=False)


class HostileBranches(Branches):
    """One to three branches below the upper."""

    def __init__(self, root, dice):
        super().__init__(root, dice.choice(["aufs", "overlay"]))
        self.lowers = [os.path.join(root, f"lower{i}") for i in range(dice.randrange(1, 4))]
        for path in [self.upper, *self.lowers]:
            os.makedirs(path, exist_ok=True)
            Maker(dice).fill(os.fsencode(path))
        self.permissions = [dice.choice(["ro", "ro+wh", "rr", "rr+wh", "rw"]) for _ in self.lowers]
        self.read_only = [path for path, permission in zip(self.lowers, self.permissions)
                          if self.format == "overlay" or permission != "rw"]
        self.more = dice.choice(["", ",dirren", ",udba=none", ",udba=notify", ",create=rr", ",noplink", ",noxino"])

    @property
    def options(self):
        if self.format == "overlay":
            return (f"lowerdir={':'.join(self.lowers)},upperdir={self.upper},workdir={self.work}" +
                    (self.more if "create" not in self.more else ""))
        return f"br:{self.upper}=rw:" + ":".join(
            f"{path}={permission}" for path, permission in zip(self.lowers, self.permissions)) + self.more


class UnionHostileTest(harness.TestCase):
    def check_names(self, branches):
        """What is listed is found, what is found is listed, and nothing is shown that is the union's own."""
        for directory, _, _ in os.walk(os.fsencode(branches.union)):
            names = os.listdir(directory)
            self.assertEqual(len(names), len(set(names)), directory)
            for name in names:
                self.assertFalse(branches.format == "aufs" and name.startswith(b".wh."), (directory, name))
                os.lstat(os.path.join(directory, name))
            # Every part of a path is looked up anew.
            for name in PLAIN + RESERVED + PRIVATE if directory.count(b"/a/a") < 3 else ():
                if name not in names:
                    self.assertFalse(os.path.lexists(os.path.join(directory, name)), (directory, name))

    def watched(self, union):
        """Ends the server when it answers no more, so that whoever waits for it is told."""
        watch = threading.Timer(PATIENCE, lambda: os.kill(union.server, signal.SIGKILL))
        watch.start()
        return watch

    def use(self, union, dice, calls):
        caller = Caller(dice, union.branches.union)
        for number in range(calls):
            if number % 20 == 0:
                caller.learn()
            try:
                caller.call()
            except OSError as error:
                self.assertNotIn(error.errno, NEVER, error)

    def run_round(self, seed):
        dice = random.Random(seed)
        root = self.path(f"round{seed}")
        victim = os.path.join(root, "victim")
        os.makedirs(victim)
        with open(os.path.join(victim, "file"), "wb"):
            pass
        branches = HostileBranches(root, dice)
        before = [harness.tree(path) for path in branches.read_only]
        shown = None
        for calls in (CALLS, 0):
            try:
                union = Union(branches)
            except MountError as error:
                self.assertIsNone(shown, error)  # what was mounted once is mounted again
                self.assertRegex(str(error), "^unionmount: [^\n]*\n$")
                return "refused"
            watch = self.watched(union)
            try:
                self.use(union, dice, calls)
                self.check_names(branches)
                tree = harness.tree(branches.union)
                self.assertIsNone(union.program.poll(), "the server has ended")
            finally:
                watch.cancel()
                union.end()
            if shown is not None:
                self.assertEqual(harness.tree_differences(shown, tree), "", "mounted again")
            shown = tree
        for path, tree in zip(branches.read_only, before):
            self.assertEqual(harness.tree_differences(tree, harness.tree(path)), "", f"branch {path}")
        self.assertIn("file", os.listdir(victim))
        shutil.rmtree(root)
        return branches.format

    def test_private_names_of_other_types(self):
        """The union is mounted or refused at once, and nothing is followed."""
        os.mkdir(self.path("victim"))
        with open(self.path("victim", "file"), "wb"):
            pass
        makers = {"pipe": os.mkfifo, "symlink": lambda path: os.symlink(self.path("victim"), path), "directory": os.mkdir,
                  "zero": lambda path: os.mknod(path, stat.S_IFCHR, 0)}
        for number, (name, (kind, make)) in enumerate((n, k) for n in PRIVATE for k in makers.items()):
            with self.subTest(name=name, kind=kind):
                branches = Branches(self.path(str(number)), "aufs")
                make(os.path.join(os.fsencode(branches.upper), name))
                try:
                    Union(branches).end()
                except MountError as error:
                    self.assertRegex(str(error), "^unionmount: [^\n]*\n$")
                self.assertEqual(os.listdir(self.path("victim")), ["file"])

    def test_a_whiteout_that_is_a_directory_goes_with_the_new_object(self):
        branches = Branches(self.path("branches"), "aufs")
        os.makedirs(os.path.join(branches.upper, ".wh.a", "in"))
        union = Union(branches)
        try:
            os.symlink("target", branches.path("a"))
            self.assertEqual(os.listdir(branches.union), ["a"])
        finally:
            union.end()
        self.assertFalse(os.path.exists(os.path.join(branches.upper, ".wh.a")))

    def test_random_branches(self):
        results = []
        for seed in range(SEED, SEED + ROUNDS):
            with self.subTest(seed=seed):
                results.append(self.run_round(seed))
        print({result: results.count(result) for result in set(results)})
        self.assertLess(results.count("refused"), ROUNDS / 2)


if __name__ == "__main__":
    if os.geteuid() != 0:
        harness.skip_program("needs root")
    harness.enter_private_mounts()
    if not os.path.exists("/dev/fuse"):
        harness.skip_program("needs /dev/fuse")
    for place in ("/run", os.environ.get("TMPDIR", "/tmp")):
        harness.run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", place)
    unittest.main(verbosity=2)
