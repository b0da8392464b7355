#!/usr/bin/env python3
"""What commands of imagetool cost by the number of files in an image: processor time, and peak memory.

bench/README.md says how to run it.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tarfile
import tempfile

FILES_PER_DIRECTORY = 100


def add_directory(tar, path):
    entry = tarfile.TarInfo(path)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    tar.addfile(entry)


def add_file(tar, path, contents):
    entry = tarfile.TarInfo(path)
    entry.size = len(contents)
    tar.addfile(entry, io.BytesIO(contents))


class Shape:
    """Where the files of a layer are: a path for each number, parents first."""

    def __init__(self, name, files):
        self.name = name
        self.files = files

    def directory(self, number):
        if self.name == "wide":
            return "usr/share/all"
        place = number // FILES_PER_DIRECTORY
        if self.name == "deep":
            return f"chain{place // 150}/" + "/".join(f"level{level:03}" for level in range(place % 150 + 1))
        return f"usr/share/part{place // 40:03}/directory{place:05}"

    def order(self):
        numbers = list(range(self.files))
        if self.name == "shuffled":
            random.Random(1).shuffle(numbers)
        return numbers


def layer(shape, changed, prefix=""):
    """An uncompressed tar; files whose number is in `changed` have other contents."""
    out = io.BytesIO()
    made = set()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in shape.order():
            directory = prefix + shape.directory(number)
            parts = directory.split("/")
            for count in range(1, len(parts) + 1):
                parent = "/".join(parts[:count])
                if parent not in made:
                    made.add(parent)
                    add_directory(tar, parent)
            version = 2 if number in changed else 1
            add_file(tar, f"{directory}/file-{number:07}.txt", f"file {number}, version {version}\n".encode())
    return out.getvalue()


def write_image(path, layers):
    """A docker-archive."""
    ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": ids},
                         "history": [{"created_by": "a bench"} for _ in layers]}).encode()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": ["bench:latest"], "Layers": names}]
    with tarfile.open(path, "w") as archive:
        for name, tar in zip(names, layers):
            add_file(archive, name, tar)
        add_file(archive, config_name, config)
        add_file(archive, "manifest.json", json.dumps(manifest).encode())


def write_pair(directory, name, files):
    """Two images, a.tar and b.tar, that differ in one file of a hundred."""
    changed = set(random.Random(2).sample(range(files), files // 100))
    for side, differs in (("a", set()), ("b", changed)):
        if name == "layers":
            part = Shape("plain", files // 20)
            tars = [layer(part, {n // 20 for n in differs if n % 20 == k}, f"layer{k}/" if k % 2 else "")
                    for k in range(20)]
        else:
            # Of a single layer there would be nothing to squash.
            tars = [layer(Shape(name, files), differs), layer(Shape("plain", 10), set(), "etc/")]
        write_image(os.path.join(directory, f"{side}.tar"), tars)


def commands(program, first, second, out):
    target = ["-t", "docker-archive:" + out]
    return {
        "squash": [program, "-q", "squash", first, *target],
        "merge --trees": [program, "-q", "merge", "--trees", "--on-conflict", "last", first, second, *target],
        "diff": [program, "-q", "diff", first, second],
        "flatten": [program, "-q", "flatten", first, *target],
        "ls -lR": [program, "-q", "ls", "-lR", first],
        "tree": [program, "-q", "tree", first],
        "layers": [program, "-q", "layers", first],
        "explain": [program, "-q", "explain", first, "/etc"],
        "waste": [program, "-q", "waste", first],
        "lint": [program, "-q", "lint", first],
        "normalize": [program, "-q", "normalize", first, *target],
        "rm-path": [program, "-q", "rm-path", first, "/etc", *target],
        "append": [program, "-q", "append", first, out + ".layer", *target],
        "drop": [program, "-q", "drop", first, "2", *target],
        "split": [program, "-q", "split", first, "2", "--by", "/etc", *target],
        "export": [program, "-q", "export", first, "-o", out],
        "copy": [program, "-q", "copy", first, "docker-archive:" + out],
    }


def run(command, out):
    """Seconds of processor time and MiB at most resident, of one command."""
    if os.path.exists(out):
        os.unlink(out)
    with open(os.devnull, "wb") as nothing:
        child = subprocess.Popen(command, stdout=nothing, stderr=subprocess.PIPE)
        message = child.stderr.read().decode(errors="replace").strip()
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    # lint ends with 1 where it found something.
    if child.returncode not in (0, 1) or (child.returncode == 1 and command[2] != "lint"):
        sys.exit(f"{' '.join(command)}: {child.returncode}: {message}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(arguments, shape, files, directory):
    # A process begins with the peak of the one that starts it: that one has to stay small.
    maker = multiprocessing.Process(target=write_pair, args=(directory, shape, files))
    maker.start()
    maker.join()
    if maker.exitcode != 0:
        sys.exit("making images failed")
    first, second = (os.path.join(directory, side + ".tar") for side in "ab")
    out = os.path.join(directory, "out.tar")
    with open(out + ".layer", "wb") as file:
        file.write(layer(Shape("plain", 10), set(), "appended/"))
    for program in arguments.program:
        wanted = commands(program, first, second, out)
        base = None
        for name in arguments.commands.split(","):
            runs = [run(wanted[name], out) for _ in range(arguments.rounds)]
            seconds = min(cpu for cpu, _ in runs)
            memory = max(resident for _, resident in runs)
            base = base or seconds
            print(f"{shape:9} {files:8} {name:14} {seconds:7.2f} s {seconds / files * 1e6:7.1f} us/file "
                  f"{seconds / base:6.2f} {memory:6.0f} MiB  {program}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", action="append", required=True, help="an imagetool; may be repeated")
    parser.add_argument("--files", default="10000,100000", help="numbers of files, with commas between them")
    parser.add_argument("--shapes", default="plain,shuffled",
                        help="plain, shuffled (no two neighbours in one directory), wide (one directory), "
                             "deep, layers (20 of them)")
    parser.add_argument("--commands", default="squash,merge --trees,diff",
                        help="with commas between them; figures are also given as ratios to the first")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many times is shown")
    parser.add_argument("--dir", help="where images are made (default: $TMPDIR or /tmp)")
    arguments = parser.parse_args()
    for shape in arguments.shapes.split(","):
        for files in map(int, arguments.files.split(",")):
            with tempfile.TemporaryDirectory(prefix="image-bench-", dir=arguments.dir) as directory:
                measure(arguments, shape, files, directory)


if __name__ == "__main__":
    main()
