"""The rows of the table. Each is one run of fs_work on a fresh mount."""
import dataclasses
import os
import shutil
import subprocess
import typing

import union_trees as trees

BLOCK = 128 << 10
PAGE = 4 << 10


def _nothing(_bench):
    return []


@dataclasses.dataclass(frozen=True)
class Row:
    name: str  # for --rows
    title: str
    work: typing.Callable  # of a Bench: the words of fs_work
    count: typing.Callable = None  # what fs_work must have done
    before: typing.Callable = _nothing  # run by fs_work on the mount, not measured
    prepare: typing.Callable = None  # makes what the row needs in the upper directory, before the mount
    read_only: bool = False
    changes_lower: bool = False  # only where a file system copies up
    native_work: typing.Callable = None  # where a plain directory needs other words for it


def _tree_count(bench):
    files = bench.sizes.files
    return files + -(-files // trees.FILES_IN_DIRECTORY)


def _walk(work):
    return lambda bench: [work, bench.at(trees.FILES)]


def _make_new(path):
    os.mkdir(f"{path}/new")


def _copy_victim(bench, path):
    """A plain directory has one to remove each time; a union has that of its lowest branch."""
    if bench.native:
        shutil.copytree(f"{path}/{trees.VICTIM}", f"{path}/new")


def _both(name, title, work, count=None, **rest):
    """Cold: the first time on a fresh mount; warm: once more."""
    return [
        Row(f"{name}-cold", f"{title}, cold", work, count, **rest),
        Row(f"{name}-warm", f"{title}, warm", work, count, before=work, **rest),
    ]


def _untar(bench):
    return ["run", "tar", "-xf", bench.tar, "-C", bench.at("new")]


def _grep(bench):
    return ["run", "grep", "-r", "such a line is nowhere", bench.at(trees.SOURCE)]


def _open(bench):
    return ["open", bench.at(f"{trees.FILES}/0000"), str(bench.sizes.repeats)]


def _absent(bench):
    return ["absent", bench.at(f"{trees.FILES}/0000"), str(bench.sizes.repeats)]


def _create(bench):
    return ["create", bench.at("new"), str(bench.sizes.created), "1024"]


def _repeats(bench):
    return bench.sizes.repeats


def _created(bench):
    return bench.sizes.created


ROWS = [
    *_both("stat", "stat of a tree of 20,000 files", _walk("stat"), _tree_count),
    *_both("readdir", "readdir of the tree", _walk("list"), _tree_count),
    *_both("read-lower", "sequential read of 256 MiB, lower file",
           lambda bench: ["read", bench.at(trees.BIG), str(BLOCK)], lambda bench: bench.sizes.big),
    Row("read-upper", "sequential read of 256 MiB, upper file",
        lambda bench: ["read", bench.at("new"), str(BLOCK)], lambda bench: bench.sizes.big,
        prepare=lambda bench, path: trees.write_large(f"{path}/new", bench.sizes.big)),
    Row("read-random", "20,000 random reads of 4 KiB, lower file",
        lambda bench: ["read-random", bench.at(trees.BIG), str(PAGE), str(bench.sizes.repeats)], _repeats),
    Row("write", "sequential write of 256 MiB by 1 MiB",
        lambda bench: ["write", bench.at("new"), str(bench.sizes.big), str(1 << 20)], lambda bench: bench.sizes.big),
    Row("write-small", "20,000 writes of 4 KiB",
        lambda bench: ["write", bench.at("new"), str(bench.sizes.repeats * PAGE), str(PAGE)],
        lambda bench: bench.sizes.repeats * PAGE),
    Row("create", "create 5,000 files of 1 KiB", _create, _created, prepare=lambda bench, path: _make_new(path)),
    Row("unlink", "unlink them", lambda bench: ["unlink", bench.at("new"), str(bench.sizes.created)], _created,
        before=_create, prepare=lambda bench, path: _make_new(path)),
    Row("remove-lower", "rm -rf of 2,000 lower files", lambda bench: ["run", "rm", "-r", bench.at(trees.VICTIM)],
        lambda bench: 0, prepare=_copy_victim, changes_lower=True,
        native_work=lambda bench: ["run", "rm", "-r", bench.at("new")]),
    Row("untar", "untar 3,000 files of 4 KiB", _untar, lambda bench: 0, prepare=lambda bench, path: _make_new(path)),
    Row("remove-upper", "rm -rf of the untarred", lambda bench: ["run", "rm", "-r", bench.at("new")], lambda bench: 0,
        before=_untar, prepare=lambda bench, path: _make_new(path)),
    Row("copy-up", "copy-up of 100 MiB (native: a copy)", lambda bench: ["change", bench.at(trees.MEDIUM)],
        lambda bench: 1, changes_lower=True,
        native_work=lambda bench: ["copy", bench.at(trees.MEDIUM), bench.at("new")]),
    *_both("grep", "grep -r in a source tree of 4,000 files", _grep, lambda bench: 1),
    Row("open", "20,000 times open, read, close", _open, _repeats, before=_open),
    Row("open-ro", "the same in a read-only union", _open, _repeats, before=_open, read_only=True),
    *_both("absent", "20,000 lookups of absent names", _absent, _repeats),
]


@dataclasses.dataclass(frozen=True)
class Measured:
    seconds: float
    cpu_seconds: float  # of the work and of the file system's server


def _server_cpu_seconds():
    """What this process's children have used: while a row is measured those are the servers alone."""
    nanoseconds = 0
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        servers = file.read().split()
    for server in servers:
        for task in os.listdir(f"/proc/{server}/task"):
            with open(f"/proc/{server}/task/{task}/schedstat", encoding="ascii") as file:
                nanoseconds += int(file.read().split()[0])
    return nanoseconds / 1e9


class Bench:
    """One row on one mount: where things are, and fs_work for it."""

    def __init__(self, fs_work, sizes, tar, mount_point, native):
        self.fs_work, self.sizes, self.tar, self.native = fs_work, sizes, tar, native
        self._mount_point = mount_point

    def at(self, path):
        return f"{self._mount_point}/{path}"

    def run(self, words):
        """Gives what fs_work measured, its count and what the command it ran said. Errors are fs_work's own words."""
        done = subprocess.run([self.fs_work, *words], capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C"})
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"fs_work ended with {done.returncode}")
        took, cpu, count = (int(word) for word in done.stdout.split())
        return Measured(took / 1e9, cpu / 1e9), count, done.stderr.strip()

    def measure(self, row):
        before = row.before(self)
        if before:
            self.run(before)
        work = row.native_work if self.native and row.native_work else row.work
        server_before = _server_cpu_seconds()
        measured, count, said = self.run(work(self))
        wanted = row.count(self)
        if count != wanted:
            raise RuntimeError(said or f"it did {count} of {wanted}")
        return Measured(measured.seconds, measured.cpu_seconds + _server_cpu_seconds() - server_before)
