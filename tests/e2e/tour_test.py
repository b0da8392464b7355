"""docs/TOUR.md is what the commands in it print."""
import os
import unittest

import harness
from harness import run


class TourTest(unittest.TestCase):
    def test_the_page_is_true(self):
        layout = os.environ["DEBIAN_LAYOUT"]
        result = run(os.path.join(os.environ["SOURCE_DIR"], "scripts/tour.py"), "--check", layout, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    harness.enter_private_mounts()
    harness.main()
