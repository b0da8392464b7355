"""Tests of commands that need no privileges: they are run by a user who has none."""
import os
import shutil

import harness
from harness import IMAGETOOL, run

NOBODY = 65534


class TestCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.temporary = self.path("tmp")
        os.mkdir(self.temporary)
        os.chown(self.temporary, NOBODY, NOBODY)
        # Not below a directory that only root may enter.
        for directory in (self.path(), os.path.dirname(self.path())):
            os.chmod(directory, os.stat(directory).st_mode | 0o011)

    def as_nobody(self, *arguments, check=True, **environment):
        """Runs the program without any right, and without a store."""
        def drop():
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        program = self.path("imagetool")
        if not os.path.exists(program):
            shutil.copy(IMAGETOOL, program)
        result = run(program, "--root", self.temporary + "/store", *arguments, check=check, preexec_fn=drop,
                     env={**os.environ, "TMPDIR": self.temporary, **environment})
        self.assertFalse(os.path.exists(self.temporary + "/store"))
        self.assertEqual(
            [n for n in os.listdir(self.temporary) if not n.startswith("out")], [], "something was left")
        return result
