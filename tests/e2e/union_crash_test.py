"""SIGKILL of a FUSE union's server before every single call that changes a branch.

After each: the branches, read without the union, hold the state before or after the step that was under way, and no
whiteout that neither has; the next mount shows one of the two, with nothing left in staging; and what was left to do
then succeeds.
"""
import itertools
import os
import shutil
import unittest

import harness
from killable_union import Branches, States, Union, state_of, view
from union_cases import CASES

STEP = 5 if harness.SANITIZED else 1


class UnionCrashTest(harness.TestCase):
    FORMAT = None

    def setUp(self):
        if self.FORMAT is None:
            self.skipTest("the formats have classes of their own")
        super().setUp()
        self.points = 0

    def branches(self, case):
        root = self.path("branches")
        shutil.rmtree(root, ignore_errors=True)
        branches = Branches(root, self.FORMAT)
        case.prepare(branches)
        return branches

    def check_after_kill(self, branches, case, states, done):
        last = min(done + 1, len(case.steps))
        state_of(states.merged, branches.merged(), done, last, "branches")
        allowed = set.union(*states.whiteouts[done:last + 1])
        self.assertLessEqual(branches.whiteouts(), allowed, "whiteouts")
        union = Union(branches)
        try:
            self.assertEqual([n for n in os.listdir(branches.staging) if n != "whiteout"], [])
            reached = state_of(states.shown, view(branches), done, last, "union")
            for step in case.steps[reached:]:
                step(branches.path)
            if reached < len(case.steps):
                state_of(states.shown, view(branches), len(case.steps), len(case.steps), "union, with the rest done")
        finally:
            union.end()
        self.assertLessEqual(branches.whiteouts(), allowed | states.whiteouts[-1], "whiteouts, in the end")

    def kill_everywhere(self, name):
        case = CASES[name]
        states = States.of(case, self.branches(case))
        for at in itertools.count(1, STEP):
            branches = self.branches(case)
            done, call = Union(branches).run_killed(case, at)
            if call is None:
                break
            self.points += 1
            with self.subTest(f"{name}: killed before call {at} ({call}), {done} steps were done"):
                self.check_after_kill(branches, case, states, done)

    def test_every_change(self):
        for name in CASES:
            self.kill_everywhere(name)
        self.assertGreater(self.points, 100 // STEP)
        print(f"{self.FORMAT}: the server was killed {self.points} times, in {len(CASES)} changes")


class AufsCrashTest(UnionCrashTest):
    FORMAT = "aufs"


class OverlayCrashTest(UnionCrashTest):
    FORMAT = "overlay"


if __name__ == "__main__":
    if os.geteuid() != 0:
        harness.skip_program("needs root")
    harness.enter_private_mounts()
    if not os.path.exists("/dev/fuse"):
        harness.skip_program("needs /dev/fuse")
    # Control directories of the machine's own unions stay out of sight, and branches are fast.
    for place in ("/run", os.environ.get("TMPDIR", "/tmp")):
        harness.run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", place)
    unittest.main(verbosity=2)
