"""What the end-to-end tests share: running the program, comparing trees, a store of one's own.

The tests run the built program as a user would. They get its path in IMAGETOOL.
"""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

IMAGETOOL = os.environ["IMAGETOOL"]
# Whether the program is built with a sanitizer, which makes it many times slower: long tests then
# take fewer steps.
SANITIZED = subprocess.run(
    ["grep", "-qaE", "__(asan|tsan)_init", IMAGETOOL], check=False).returncode == 0


def skip_program(reason):
    """Ends a whole test program as skipped (CTest: SKIP_RETURN_CODE 77)."""
    print(f"SKIP: {reason}")
    sys.exit(77)


def run(*command, check=True, **options):
    """A command with its output captured as text; its error text is shown when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and result.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, command))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


class Store:
    """A store below a directory of the test's."""

    def __init__(self, root):
        self.root = root

    def __call__(self, *arguments, **options):
        return run(IMAGETOOL, "--root", self.root, *arguments, **options)

    def inspect(self, name):
        return json.loads(self("inspect", name).stdout)[0]

    def image_ids(self):
        return self("images", "-q", "--no-trunc").stdout.split()

    def staging(self):
        path = os.path.join(self.root, "staging")
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def layer_dirs(self):
        path = os.path.join(self.root, "overlay2")
        return sorted(n for n in os.listdir(path) if n != "l") if os.path.isdir(path) else []


class TestCase(unittest.TestCase):
    """Gives every test a directory (TMPDIR or /tmp) and a fresh store, and takes them away."""

    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="layerkit-e2e-")
        self.addCleanup(self._remove)
        self.store = Store(self.path("store"))

    def _remove(self):
        for target in mounts_below(self.dir):
            run("umount", "-l", target, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def mounted(self, image):
        """Mounts an image until the end of the test; gives its directory."""
        target = self.store("mount", image).stdout.strip()
        self.addCleanup(lambda: self.store("unmount", image, check=False))
        return target

    def assert_fails(self, result, *texts, code=1):
        """One line of error that has all the texts, and the exit code."""
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        lines = [l for l in result.stderr.splitlines() if not l.startswith("imagetool: warning: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("imagetool: "), lines[0])
        for text in texts:
            self.assertIn(text, lines[0])


def enter_private_mounts():
    """Starts this program again in a mount namespace of its own."""
    if os.environ.get("LAYERKIT_PRIVATE_MOUNTS") == "1":
        return
    os.environ["LAYERKIT_PRIVATE_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])


def mounts_below(directory):
    """Mount points at or below a directory, deepest first."""
    real = os.path.realpath(directory)
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        for line in mountinfo:
            target = line.split()[4].encode().decode("unicode_escape")
            if target == real or target.startswith(real + "/"):
                found.append(target)
    return sorted(found, key=len, reverse=True)


def _content(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _xattrs(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names}


def tree(root):
    """Every object below `root` (and `root` itself as "."): all that a layer says about it.

    Hard links are told by the sorted names that share one inode.
    """
    objects, inodes = {}, {}
    root = os.fsencode(root)

    def visit(path, name):
        info = os.lstat(path)
        mode = info.st_mode
        record = {
            "mode": oct(mode), "uid": info.st_uid, "gid": info.st_gid,
            "mtime_ns": info.st_mtime_ns, "xattrs": _xattrs(path)}
        if stat.S_ISREG(mode):
            record["size"], record["sha256"] = info.st_size, _content(path)
        elif stat.S_ISLNK(mode):
            record["target"] = os.readlink(path)
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            record["device"] = (os.major(info.st_rdev), os.minor(info.st_rdev))
        objects[name] = record
        if not stat.S_ISDIR(mode):
            inodes.setdefault((info.st_dev, info.st_ino), []).append(name)
            return
        for child in sorted(os.listdir(path)):
            visit(os.path.join(path, child), os.path.join(name, child) if name != b"." else child)

    visit(root, b".")
    for names in inodes.values():
        for name in names:
            objects[name]["links"] = sorted(names)
    return objects


def tree_differences(wanted, found, limit=20):
    """Human-readable differences of two `tree`s; empty when they are equal."""
    lines = []
    for name in sorted(set(wanted) | set(found)):
        if wanted.get(name) != found.get(name):
            lines.append(f"{name!r}:\n  wanted {wanted.get(name)}\n  found  {found.get(name)}")
    if len(lines) > limit:
        lines[limit:] = [f"... and {len(lines) - limit} more"]
    return "\n".join(lines)


def main():
    if os.geteuid() != 0:
        skip_program("needs root")
    unittest.main(verbosity=2)
