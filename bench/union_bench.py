#!/usr/bin/env python3
"""Compares union file systems: the same work on each, as ratios to a plain directory.

Every row of every round is a fresh mount over the same lower branches with an upper directory of its own; within a round
each row is done on all file systems, one after the other, and the next round starts with another one. See bench/README.md.
"""
import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source directory stays as it is

import union_report
import union_rows
import union_systems
import union_trees

HERE = os.path.dirname(os.path.abspath(__file__))
PRIVATE = "LAYERKIT_UNION_BENCH_PRIVATE"
PR_SET_CHILD_SUBREAPER = 36


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", help="work in this directory (default: a tmpfs of its own)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", help="names of rows, with commas (default: all)")
    parser.add_argument("--systems", help="names of file systems, with commas (default: all that are installed)")
    parser.add_argument("--lowers", default="2,20", help="numbers of lower branches, with commas (default: 2,20)")
    parser.add_argument("--program", default="unionmount", help="the unionmount program (default: the one in PATH)")
    parser.add_argument("--our-options", action="append", metavar="OPTIONS",
                        help="mount options for unionmount (default: udba=none); again for one more column")
    parser.add_argument("--fs-work", default=f"{HERE}/../build/release/bench/fs_work", help="the helper program")
    parser.add_argument("--by", choices=["median", "least", "cpu"], default="median",
                        help="what the table shows: the median time (default), the least, the least CPU time of work and server")
    parser.add_argument("--small", action="store_true", help="a tenth of the work, to see that all works; titles stay as they are")
    parser.add_argument("--markdown", help="write the table here, too")
    parser.add_argument("--json", help="write all figures here")
    parser.add_argument("--list-rows", action="store_true")
    return parser.parse_args()


def choose(wanted, known, name_of, what):
    """The items whose names are in the text `wanted`; all when it is None."""
    if wanted is None:
        return known
    names = wanted.split(",")
    unknown = set(names) - {name_of(item) for item in known}
    if unknown:
        sys.exit(f"union_bench: there is no {what} {min(unknown)!r}")
    return [item for item in known if name_of(item) in names]


def choose_systems(arguments):
    option_sets = arguments.our_options if arguments.our_options is not None else ["udba=none"]
    native, *known = union_systems.all_systems(arguments.program, option_sets)
    # "unionmount" means all of its columns.
    chosen = choose(arguments.systems, known, lambda system: system.name.split(" ")[0], "file system")
    notes = [f"{system.name} is left out: {system.missing()}" for system in chosen if system.missing()]
    return [native, *(system for system in chosen if not system.missing())], notes


def enter_private_namespace():
    """Mounts of this run are seen by nobody else, and go with it."""
    if os.environ.get(PRIVATE):
        return
    if os.geteuid() != 0:
        sys.exit("union_bench: mounting needs root")
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
    os.execvpe(command[0], command, {**os.environ, PRIVATE: "1"})


def adopt_servers():
    """Servers that went to the background become this process's children: it sees them end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def unmount(mount_point):
    subprocess.run(["umount", mount_point], check=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return
    raise RuntimeError("the server did not end within 20 s of its unmount")


class Stage:
    """The lower branches of one number, and fresh upper directories over them."""

    def __init__(self, root, lowers, sizes, fs_work):
        self._root, self._sizes, self._fs_work = root, sizes, fs_work
        self._lowers = union_trees.make_lowers(f"{root}/lower", lowers, sizes)
        self._merged = f"{root}/merged"
        union_trees.merge(self._lowers, self._merged)
        self._tar = f"{root}/files.tar"
        union_trees.make_tar(self._tar, sizes.untarred)
        for name in ("upper", "mnt"):
            os.mkdir(f"{root}/{name}")

    def _places(self, row, native):
        places = union_systems.Places(self._lowers, self._merged, mount_point=f"{self._root}/mnt")
        if native:
            places.upper = self._merged
        elif not row.read_only:
            places.upper, places.work = (f"{self._root}/upper/{name}" for name in ("diff", "work"))
            os.mkdir(places.upper)
            os.mkdir(places.work)
        return places

    def _clear(self, native):
        if native:
            new = f"{self._merged}/new"
            if os.path.isdir(new):
                shutil.rmtree(new)
            elif os.path.exists(new):
                os.unlink(new)
            return
        for name in os.listdir(f"{self._root}/upper"):
            shutil.rmtree(f"{self._root}/upper/{name}")

    def measure(self, system, row):
        native = system.name == "native"
        places = self._places(row, native)
        bench = union_rows.Bench(self._fs_work, self._sizes, self._tar, places.mount_point, native)
        try:
            if row.prepare:
                row.prepare(bench, places.upper)
            bench.run(["sync", self._root])
            system.mount(places)
            try:
                return bench.measure(row)
            finally:
                unmount(places.mount_point)
        finally:
            self._clear(native)


def measure_all(stage, rows, systems, rounds, label):
    """What every round measured and what failed, by row and system."""
    measured, failures = {}, {}
    for turn in range(rounds):
        for row in rows:
            first = turn % len(systems)
            for system in systems[first:] + systems[:first]:
                key = (row.name, system.name)
                if key in failures or (row.changes_lower and not system.copies_up):
                    continue
                try:
                    measured.setdefault(key, []).append(stage.measure(system, row))
                except RuntimeError as error:
                    failures[key] = str(error)
        print(f"{label}: round {turn + 1} of {rounds} done", file=sys.stderr, flush=True)
    return measured, failures


def main():
    arguments = parse_arguments()
    if arguments.list_rows:
        for row in union_rows.ROWS:
            print(f"{row.name:16} {row.title}")
        return
    enter_private_namespace()
    adopt_servers()
    rows = choose(arguments.rows, union_rows.ROWS, lambda row: row.name, "row")
    systems, notes = choose_systems(arguments)
    sizes = union_trees.SMALL if arguments.small else union_trees.Sizes()
    report = union_report.Report(rows, systems, arguments, notes)
    root = tempfile.mkdtemp(prefix="union-bench-", dir=arguments.dir)
    try:
        if arguments.dir is None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", root], check=True)
        for lowers in (int(text) for text in arguments.lowers.split(",")):
            place = f"{root}/{lowers}"
            os.mkdir(place)
            stage = Stage(place, lowers, sizes, os.path.abspath(arguments.fs_work))
            report.add(lowers, *measure_all(stage, rows, systems, arguments.rounds, f"{lowers} lower branches"))
            shutil.rmtree(place)
    finally:
        if arguments.dir is None:
            subprocess.run(["umount", "--lazy", root], check=False)
            os.rmdir(root)
        else:
            shutil.rmtree(root, ignore_errors=True)
    text = report.markdown()
    print(text)
    if arguments.markdown:
        with open(arguments.markdown, "w", encoding="utf-8") as file:
            file.write(text)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report.figures(), file, indent=1)


if __name__ == "__main__":
    main()
