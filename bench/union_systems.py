"""The union file systems that are compared, each mounted over the same directories."""
import dataclasses
import shutil
import subprocess
import tempfile


@dataclasses.dataclass
class Places:
    """What a mount is made of. Without an upper directory it is read-only."""
    lowers: list  # the top first
    merged: str  # the same tree as a plain directory
    upper: str = None
    work: str = None
    mount_point: str = None


def is_mounted(path):
    """os.path.ismount does not see a bind mount."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return any(line.split()[4] == path for line in file)


class System:
    name = ""
    fuse = True
    copies_up = True
    program = None

    def missing(self):
        """Why it cannot be measured here, or None."""
        if self.program and not shutil.which(self.program):
            return f"there is no program {self.program!r}"
        return None

    def command(self, places):
        raise NotImplementedError

    def mount(self, places):
        # Not a pipe: a server would keep it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(self.command(places), stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
            if done.returncode != 0 or not is_mounted(places.mount_point):
                said.seek(0)
                raise RuntimeError(f"{self.name} did not mount: {said.read(1000).decode(errors='replace').strip()}")


class Native(System):
    name = "native"
    fuse = False

    def command(self, places):
        return ["mount", "--bind", places.merged, places.mount_point]


def overlay_options(places):
    options = "lowerdir=" + ":".join(places.lowers)
    if places.upper:
        options += f",upperdir={places.upper},workdir={places.work}"
    return options


def branches(places, writable, read_only):
    upper = [places.upper + writable] if places.upper else []
    return ":".join(upper + [lower + read_only for lower in places.lowers])


class Overlay(System):
    name = "overlay"
    fuse = False

    def missing(self):
        with open("/proc/filesystems", encoding="ascii") as file:
            return None if any(line.split()[-1] == "overlay" for line in file) else "the kernel has no overlayfs"

    def command(self, places):
        return ["mount", "-t", "overlay", "-o", overlay_options(places), "overlay", places.mount_point]


class Unionmount(System):
    """The lower branches are "real read-only", as overlay's and fuse-overlayfs's are by definition."""

    def __init__(self, program, options):
        self.name = "unionmount" + (f" ({options})" if options else "")
        self.program = program
        self.options = options

    def command(self, places):
        options = "br:" + branches(places, "=rw", "=rr+wh")
        if not places.upper:
            options += ",ro"
        if self.options:
            options += "," + self.options
        return [self.program, "mount", "-t", "fuse", "-o", options, places.mount_point]


class FuseOverlayfs(System):
    name = program = "fuse-overlayfs"

    def command(self, places):
        return [self.program, "-o", overlay_options(places), places.mount_point]


class UnionfsFuse(System):
    name = "unionfs-fuse"
    program = "unionfs"

    def command(self, places):
        return [self.program, "-o", "cow", branches(places, "=RW", "=RO"), places.mount_point]


class Mergerfs(System):
    """It has no copy-on-write: what changes a lower file is not asked of it."""
    name = program = "mergerfs"
    copies_up = False

    def command(self, places):
        options = "category.create=ff,cache.files=auto-full,minfreespace=0"
        return [self.program, "-o", options, branches(places, "=RW", "=RO"), places.mount_point]


def all_systems(program, option_sets):
    """The native one, which every other is compared with, comes first."""
    ours = [Unionmount(program, options) for options in option_sets]
    return [Native(), Overlay(), *ours, FuseOverlayfs(), UnionfsFuse(), Mergerfs()]
