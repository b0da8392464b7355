"""The directories that are measured: lower branches like those of an image, the same every time."""
import dataclasses
import io
import os
import random
import subprocess
import tarfile

FILES = "files"  # many small ones
SOURCE = "source"  # what a source tree looks like
VICTIM = "victim"  # to be removed
BIG = "big"  # to be read
MEDIUM = "medium"  # to be copied up


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much work the rows are."""
    files: int = 20_000
    source_files: int = 4_000
    victim_files: int = 2_000
    created: int = 5_000
    untarred: int = 3_000
    big: int = 256 << 20
    medium: int = 100 << 20
    repeats: int = 20_000


SMALL = Sizes(files=2_000, source_files=400, victim_files=200, created=500, untarred=300, big=16 << 20, medium=8 << 20, repeats=2_000)

FILES_IN_DIRECTORY = 100


def _write(path, contents):
    with open(path, "wb") as file:
        file.write(contents)


def write_large(path, size):
    """Of bytes that no file system stores as a hole."""
    block = random.Random(1).randbytes(1 << 20)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(block)


def _flat_tree(root, count, contents):
    for index in range(count):
        directory = f"{root}/{index // FILES_IN_DIRECTORY:04}"
        if index % FILES_IN_DIRECTORY == 0:
            os.makedirs(directory)
        _write(f"{directory}/{index}", contents)


def _words(chance):
    letters = "abcdefghijklmnopqrstuvwxyz_"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 12))) for _ in range(2_000)]
    lines = (" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(20_000))
    return "\n".join(lines).encode()


def _source_tree(root, count):
    """Directories up to six deep, files of 12 KiB in the mean with a long tail."""
    chance = random.Random(2)
    text = _words(chance)
    directories = [root]
    os.makedirs(root)
    for index in range(count):
        if index % 14 == 0:
            parent = chance.choice([known for known in directories if known.count("/") - root.count("/") < 6])
            directories.append(f"{parent}/part-{index}")
            os.mkdir(directories[-1])
        size = min(int(chance.lognormvariate(8.9, 1.0)), 300_000)
        start = chance.randrange(max(1, len(text) - size))
        _write(f"{chance.choice(directories[-20:])}/unit-{index}.c", text[start:start + size])


def _base_lower(root, sizes):
    _flat_tree(f"{root}/{FILES}", sizes.files, b"f" * 1024)
    _flat_tree(f"{root}/{VICTIM}", sizes.victim_files, b"v" * 1024)
    _source_tree(f"{root}/{SOURCE}", sizes.source_files)
    write_large(f"{root}/{BIG}", sizes.big)
    write_large(f"{root}/{MEDIUM}", sizes.medium)


def _patch_lower(root, number, sizes):
    """A layer that replaces a few files in ten directories of those below it."""
    for step in range(10):
        first = (number * 10 + step) * FILES_IN_DIRECTORY % sizes.files
        directory = f"{root}/{FILES}/{first // FILES_IN_DIRECTORY:04}"
        os.makedirs(directory, exist_ok=True)
        for index in range(first, first + 10):
            _write(f"{directory}/{index}", b"p" * 1024)


def make_lowers(root, count, sizes):
    """Makes `count` branches; the top is the first of the list, the bottom holds everything."""
    lowers = [f"{root}/{count - 1 - number}" for number in range(count)]
    for lower in lowers:
        os.makedirs(lower)
    _base_lower(lowers[-1], sizes)
    for number, lower in enumerate(reversed(lowers[:-1])):
        _patch_lower(lower, number, sizes)
    return lowers


def merge(lowers, merged):
    """The union as a plain directory."""
    os.makedirs(merged)
    for lower in reversed(lowers):
        subprocess.run(["cp", "-a", f"{lower}/.", merged], check=True)


def make_tar(path, count):
    contents = b"t" * 4096
    with tarfile.open(path, "w") as tar:
        for index in range(count):
            if index % 30 == 0:
                directory = tarfile.TarInfo(f"{index // 30:03}")
                directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(directory)
            file = tarfile.TarInfo(f"{index // 30:03}/{index}")
            file.size, file.mode = len(contents), 0o644
            tar.addfile(file, io.BytesIO(contents))
