"""An ext4 in a file, and what is left of it by a power cut.

The file stands on a file system that is frozen while it is copied, so that the copy has all that had reached the
device, and nothing else. Mounting the copy replays the journal.
"""
import os
import time

import harness


class Disk:
    """A file with an ext4, mounted."""

    def __init__(self, file, target, size=None):
        self.file, self.target = file, target
        if size is not None:
            with open(file, "wb") as disk:
                disk.truncate(size)
            harness.run("mkfs.ext4", "-q", "-F", file)
        os.makedirs(target, exist_ok=True)
        harness.run("mount", "-o", "loop", file, target)

    def unmount(self):
        # A loop device that another process looks at lets go of its file only when that is done.
        deadline = time.monotonic() + 30
        while "busy" in harness.run("umount", self.target, check=False).stderr and time.monotonic() < deadline:
            time.sleep(0.05)
        if os.path.ismount(self.target):
            harness.run("umount", self.target)


class CuttableDisk(Disk):
    """One whose state at any moment can be had."""

    def __init__(self, directory, size):
        self.outer = Disk(os.path.join(directory, "outer.img"), os.path.join(directory, "outer"), 2 * size)
        super().__init__(os.path.join(self.outer.target, "disk.img"), os.path.join(directory, "disk"), size)

    def cut(self, copy):
        """The device as it is now, in the file `copy`."""
        harness.run("fsfreeze", "-f", self.outer.target)
        try:
            harness.run("cp", "--sparse=always", self.file, copy)
        finally:
            harness.run("fsfreeze", "-u", self.outer.target)

    def unmount(self):
        super().unmount()
        self.outer.unmount()
