"""What a union by FUSE has changed is old or new after a power cut, and new where it was synced.

The branches lie on an ext4. Servers are killed in the middle of changes; then the journal of the ext4, with the
changes of all names, reaches the device, and no data that nobody synced: the cut that tears files most easily.
"""
import itertools
import os
import shutil
import unittest

import harness
from disk_image import CuttableDisk, Disk
from killable_union import Branches, States, Union, state_of, view
from union_cases import CASES, Case, rename, unlink

SIZE = 128 << 20
# A server is killed at every call of each change; with the slow builds at every twelfth.
STEP = 12 if harness.SANITIZED else 1
FORMATS = ("aufs", "overlay")
INTERRUPTED = [
    "write to a lower file",
    "change of the mode of a file with attributes",
    "write to a sparse file",
    "write to a file with several names, all of which are removed then",
    "write to a file with directories that must be made",
    "cutting of a lower file",
    "rename of a lower file",
    "rename over a lower file",
    "rename over an upper file",
    "rename to a name that was removed",
    "rename of a directory",
    "rename of a directory over an emptied one",
    "removal of an upper file that hides a lower one",
    "removal of a directory, and a new one",
    "new name of a file with several",
]


def sync_directory(name):
    def step(path):
        fd = os.open(path(name), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    return step


def overwrite_synced(name, sync):
    def step(path):
        fd = os.open(path(name), os.O_RDWR)
        try:
            os.pwrite(fd, b"new\n", 1)
            sync(fd)
        finally:
            os.close(fd)
    return step


SYNCED = {
    "write and fsync": ("write to a lower file", overwrite_synced("f", os.fsync)),
    "write and fdatasync": ("write to a lower file", overwrite_synced("f", os.fdatasync)),
    "write and fdatasync below directories that were made": (
        "write to a file with directories that must be made", overwrite_synced("1/2/3/f", os.fdatasync)),
    "rename and fsync of the directory": ("rename over a lower file", rename("f", "g"), sync_directory(".")),
    "removal and fsync of the directory": ("removal of a lower file", unlink("f"), sync_directory(".")),
}


class UnionPowerCutTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        if harness.run("losetup", "-f", check=False).returncode != 0:
            self.skipTest("no loop devices")
        self.disk = CuttableDisk(self.dir, SIZE)
        self.addCleanup(self.disk.unmount)

    def branches(self, case, name, fmt):
        branches = Branches(os.path.join(self.disk.target, name), fmt)
        case.prepare(branches)
        return branches

    def states(self, case, fmt):
        """Of the uninterrupted change, elsewhere."""
        branches = Branches(self.path("clean"), fmt)
        try:
            case.prepare(branches)
            return States.of(case, branches)
        finally:
            shutil.rmtree(branches.root)

    def commit_names(self):
        """Has the journal on the device: the fsync of any file does it, and leaves other files' data out."""
        with open(os.path.join(self.disk.target, "other"), "wb") as file:
            os.fsync(file.fileno())

    def after_cut(self):
        """The file system as the next boot finds it."""
        copy = self.path("cut.img")
        self.disk.cut(copy)
        return Disk(copy, self.path("cut"))

    def check(self, branches, cut, case, states, first, last):
        """The branches of the same name on the cut file system."""
        left = Branches(os.path.join(cut.target, os.path.basename(branches.root)), branches.format)
        state_of(states.merged, left.merged(), first, last, "branches")
        union = Union(left)
        try:
            reached = state_of(states.shown, view(left), first, last, "union")
            for step in case.steps[reached:]:
                step(left.path)
            state_of(states.shown, view(left), len(case.steps), len(case.steps), "union, with the rest done")
        finally:
            union.end()

    def test_changes_that_were_interrupted(self):
        for fmt in FORMATS:
            plan = []
            for number, name in enumerate(INTERRUPTED):
                states = self.states(CASES[name], fmt)
                for at in range(1 + number % STEP, self.calls(CASES[name], fmt), STEP):
                    branches = self.branches(CASES[name], f"{fmt}-{number}-{at}", fmt)
                    plan.append((name, at, states, branches))
            # What is there is safe. From here to the cut nothing is synced but what servers sync.
            os.sync()
            done = [Union(branches).run_killed(CASES[name], at)[0] for name, at, _, branches in plan]
            self.commit_names()
            cut = self.after_cut()
            try:
                for (name, at, states, branches), steps in zip(plan, done):
                    with self.subTest(f"{fmt}, {name}: cut before call {at}"):
                        last = min(steps + 1, len(CASES[name].steps))
                        self.check(branches, cut, CASES[name], states, 0, last)
            finally:
                cut.unmount()
            print(f"{fmt}: {len(plan)} changes were cut off")

    def calls(self, case, fmt):
        """How many calls of the server the change takes, and one more."""
        branches = Branches(self.path("clean"), fmt)
        try:
            case.prepare(branches)
            union = Union(branches)
            union.run_killed(case, 0)
            return union.calls + 1
        finally:
            shutil.rmtree(branches.root)

    def test_changes_that_were_synced(self):
        for fmt in FORMATS:
            for number, (name, (build, *steps)) in enumerate(SYNCED.items()):
                case = Case(CASES[build].build, *steps)
                states = self.states(case, fmt)
                branches = self.branches(case, f"{fmt}{number}", fmt)
                os.sync()
                with self.subTest(f"{fmt}, {name}"):
                    union = Union(branches)
                    try:
                        for step in case.steps:
                            step(branches.path)
                        cut = self.after_cut()
                    finally:
                        union.end()
                    try:
                        self.check(branches, cut, case, states, len(case.steps), len(case.steps))
                    finally:
                        cut.unmount()


if __name__ == "__main__":
    if os.geteuid() != 0:
        harness.skip_program("needs root")
    harness.enter_private_mounts()
    if not os.path.exists("/dev/fuse"):
        harness.skip_program("needs /dev/fuse")
    harness.run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", "/run")
    unittest.main(verbosity=2)
