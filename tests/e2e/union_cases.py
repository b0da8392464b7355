"""Changes of a union that tests of crashes interrupt: what lies on the branches before, and the steps of the change.

A step is one call of a process; the states that may be found are those before and after each step.
"""
import ctypes
import os

from killable_union import OLD

BIG = bytes(range(256)) * 1200


class Tree:
    """Makes old objects on one branch."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        path = os.path.join(self.root, name)
        if not os.path.isdir(os.path.dirname(path)):
            self.dir(os.path.dirname(name))
        return path

    def old(self, path):
        os.utime(path, (OLD, OLD), follow_symlinks=False)
        return path

    def dir(self, name, mode=0o755):
        os.mkdir(self.path(name))
        os.chmod(self.path(name), mode)

    def file(self, name, content=b"old\n", mode=0o644):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return self.old(path)

    def link(self, name, new_name):
        os.link(self.path(name), self.path(new_name))

    def symlink(self, target, name):
        os.symlink(target, self.path(name))
        self.old(self.path(name))


class Case:
    """`build(branches, upper, lower)` fills the branches; each of `steps` is called with a function that gives the
    path of a name in the union."""

    def __init__(self, build, *steps):
        self.build, self.steps = build, steps

    def prepare(self, branches):
        self.build(branches, Tree(branches.upper), Tree(branches.lower))


def overwrite(name, content=b"new\n"):
    def step(path):
        fd = os.open(path(name), os.O_RDWR)
        try:
            os.pwrite(fd, content, 1)
            os.fsync(fd)
        finally:
            os.close(fd)
    return step


def rename(old, new):
    return lambda path: os.rename(path(old), path(new))


def exchange(old, new):
    def step(path):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-100, os.fsencode(path(old)), -100, os.fsencode(path(new)), 2) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
    return step


def unlink(name):
    return lambda path: os.unlink(path(name))


def rmdir(name):
    return lambda path: os.rmdir(path(name))


def mkdir(name):
    return lambda path: os.mkdir(path(name))


def link(name, new_name):
    return lambda path: os.link(path(name), path(new_name), follow_symlinks=False)


def create(name):
    return lambda path: os.close(os.open(path(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def lower_file(branches, upper, lower):
    lower.file("f", BIG)


def file_with_attributes(branches, upper, lower):
    path = lower.file("f", BIG)
    os.chown(path, 1000, 1001)
    os.chmod(path, 0o6751)
    os.setxattr(path, "user.one", b"1")
    os.setxattr(path, "trusted.two", b"2" * 300)


def sparse_file(branches, upper, lower):
    path = lower.file("f", b"head")
    with open(path, "r+b") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"middle")
    lower.old(path)


def linked_file(branches, upper, lower):
    lower.file("f")
    lower.link("f", "g")
    lower.link("f", "d/h")


def deep_file(branches, upper, lower):
    lower.dir("1", 0o751)
    lower.dir("1/2", 0o1777)
    lower.dir("1/2/3")
    lower.file("1/2/3/f")
    os.chown(lower.path("1/2"), 1000, 1001)
    os.setxattr(lower.path("1/2/3"), "user.one", b"1")


def two_files(branches, upper, lower):
    lower.file("f", BIG)
    lower.file("g", b"other\n")


def file_and_upper_file(branches, upper, lower):
    lower.file("f", BIG)
    lower.file("g", b"other\n")
    upper.file("g", b"hides the other\n")


def directory(branches, upper, lower):
    lower.dir("d", 0o751)
    lower.file("d/f")
    lower.file("d/s/f", b"below\n")
    upper.file("d/u", b"upper\n")


def directory_and_emptied_one(branches, upper, lower):
    directory(branches, upper, lower)
    lower.file("e/gone")
    lower.file("e/too")
    upper.dir("e")
    branches.hide("e/gone")
    branches.hide("e/too")


def upper_directory_and_emptied_one(branches, upper, lower):
    upper.file("d/f")
    lower.file("e/gone")
    upper.dir("e")
    branches.hide("e/gone")


def hidden_file(branches, upper, lower):
    lower.file("f", BIG)
    lower.file("g", b"hidden\n")
    branches.hide("g")


def hidden_directory(branches, upper, lower):
    directory(branches, upper, lower)
    lower.file("e/hidden")
    branches.hide("e")


def upper_file(branches, upper, lower):
    lower.file("g", b"below\n")
    upper.file("g", b"above\n")


def emptied_directory(branches, upper, lower):
    lower.file("d/gone")
    upper.dir("d")
    branches.hide("d/gone")


def symlink_and_pipe(branches, upper, lower):
    lower.symlink("target", "s")
    os.mkfifo(lower.path("p"))
    lower.old(lower.path("p"))


CASES = {
    "write to a lower file": Case(lower_file, overwrite("f")),
    "change of the mode of a file with attributes": Case(
        file_with_attributes, lambda path: os.chmod(path("f"), 0o600)),
    "write to a sparse file": Case(sparse_file, overwrite("f")),
    "write to a file with several names, all of which are removed then": Case(
        linked_file, overwrite("f"), unlink("g"), unlink("f"), unlink("d/h")),
    "write to a file with directories that must be made": Case(deep_file, overwrite("1/2/3/f")),
    "new attribute of a lower file": Case(
        lower_file, lambda path: os.setxattr(path("f"), "user.new", b"n")),
    "new owner of a symlink and a pipe": Case(
        symlink_and_pipe, lambda path: os.chown(path("s"), 7, 7, follow_symlinks=False),
        lambda path: os.chown(path("p"), 7, 7)),
    "cutting of a lower file": Case(lower_file, lambda path: os.truncate(path("f"), 100)),
    "rename of a lower file": Case(two_files, rename("f", "new")),
    "rename into a directory that must be made": Case(
        lambda b, u, l: (lower_file(b, u, l), deep_file(b, u, l)), rename("f", "1/2/3/new")),
    "rename of a symlink": Case(symlink_and_pipe, rename("s", "new")),
    "rename over a lower file": Case(two_files, rename("f", "g")),
    "rename over an upper file": Case(file_and_upper_file, rename("f", "g")),
    "rename of an upper file that hides a lower one": Case(upper_file, rename("g", "new")),
    "rename to a name that was removed": Case(hidden_file, rename("f", "g")),
    "rename of a directory": Case(directory, rename("d", "new")),
    "rename of a directory to a name that was removed": Case(hidden_directory, rename("d", "e")),
    "rename of a directory over an emptied one": Case(directory_and_emptied_one, rename("d", "e")),
    "rename of an upper directory over an emptied one": Case(upper_directory_and_emptied_one, rename("d", "e")),
    "exchange of two lower files": Case(two_files, exchange("f", "g")),
    "exchange of a file and a directory": Case(
        lambda b, u, l: (lower_file(b, u, l), directory(b, u, l)), exchange("f", "d")),
    "removal of a lower file": Case(two_files, unlink("f")),
    "removal of an upper file that hides a lower one": Case(upper_file, unlink("g")),
    "removal of an upper file, and a new one": Case(lambda b, u, l: u.file("f"), unlink("f"), create("f")),
    "removal of a file in a directory that must be made": Case(deep_file, unlink("1/2/3/f")),
    "removal of a directory, and a new one": Case(emptied_directory, rmdir("d"), mkdir("d")),
    "removal of a lower directory": Case(lambda b, u, l: l.dir("d"), rmdir("d")),
    "new name of a lower file": Case(lower_file, link("f", "new")),
    "new name of a file with several": Case(linked_file, link("g", "new")),
    "rename of a file with several names": Case(linked_file, rename("g", "new")),
    "new name where one was removed": Case(hidden_file, link("f", "g")),
    "new objects where others were removed": Case(
        hidden_directory, create("e"), unlink("e"), lambda path: os.symlink("target", path("e"))),
    "new directory where one was removed": Case(hidden_directory, mkdir("e")),
}
