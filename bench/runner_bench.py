#!/usr/bin/env python3
"""Times OCI runtimes on one bundle, start to exit, turn by turn, and shows the medians as ratios.

It needs root and python3, and a bundle (a directory with config.json); it runs `RUNTIME run ID` in it.
crun refuses to run where cgroup v1 has a cgroup2 mount beside it: run this in a mount namespace
without that mount.
"""

import argparse
import concurrent.futures
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time


def run_once(command, bundle):
    begin = time.perf_counter()
    result = subprocess.run(command, cwd=bundle, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.perf_counter()
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.returncode}: {result.stderr.decode()}")
    return (end - begin) * 1000


def enter_mounts(count):
    """A mount namespace with that many mounts more."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_bind, ms_rec_private = 0x20000, 0x1000, 0x44000

    def mount(source, target, kind, flags):
        if libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags, None) != 0:
            sys.exit(f"mounting on {target}: {os.strerror(ctypes.get_errno())}")

    if libc.unshare(clone_newns) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    mount("none", "/", None, ms_rec_private)
    mount("tmpfs", "/mnt", "tmpfs", 0)
    os.mkdir("/mnt/source")
    for i in range(count):
        os.mkdir(f"/mnt/{i}")
        mount("/mnt/source", f"/mnt/{i}", None, ms_bind)


def parallel(runtime, bundle, count, workers):
    """Milliseconds for each of `count` containers that are created, started and deleted."""
    def life(i):
        name = f"bench-{os.getpid()}-{i}"
        for command in (["create", name], ["start", name], ["delete", "-f", name]):
            subprocess.run([runtime, *command], cwd=bundle, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(life, range(count)))
    return (time.perf_counter() - begin) * 1000 / count


def summary(times):
    return {"min": min(times), "median": statistics.median(times), "max": max(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default=".")
    parser.add_argument("--runtimes", default="runner,crun,runc", help="the first is the yardstick")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--idle", type=float, default=0, help="milliseconds of rest before each run")
    parser.add_argument("--exec", metavar="PROGRAM", help="time `exec` of it in a running container")
    parser.add_argument("--mounts", type=int, default=0, help="on a host with that many mounts more")
    parser.add_argument("--parallel", type=int, metavar="N", help="create, start and delete N containers, --workers at a time")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    runtimes = arguments.runtimes.split(",")
    if arguments.mounts:
        enter_mounts(arguments.mounts)
    if arguments.parallel:
        each = {runtime: parallel(runtime, arguments.bundle, arguments.parallel, arguments.workers)
                for runtime in runtimes}
        for runtime in runtimes:
            print(f"{runtime:40} {each[runtime]:7.2f} ms for each container   {each[runtime] / each[runtimes[0]]:5.2f}")
        return
    names = {runtime: f"bench-{os.path.basename(runtime)}-{os.getpid()}" for runtime in runtimes}
    if arguments.exec:
        for runtime in runtimes:
            subprocess.run([runtime, "run", "-d", names[runtime]], cwd=arguments.bundle, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    times = {runtime: [] for runtime in runtimes}
    try:
        for turn in range(arguments.runs):
            for runtime in runtimes:
                time.sleep(arguments.idle / 1000)
                if arguments.exec:
                    command = [runtime, "exec", names[runtime], arguments.exec]
                else:
                    command = [runtime, "run", f"{names[runtime]}-{turn}"]
                times[runtime].append(run_once(command, arguments.bundle))
    finally:
        if arguments.exec:
            for runtime in runtimes:
                subprocess.run([runtime, "delete", "-f", names[runtime]], check=False)
    yardstick = statistics.median(times[runtimes[0]])
    for runtime in runtimes:
        figures = summary(times[runtime])
        print(f"{runtime:40} min {figures['min']:7.2f} median {figures['median']:7.2f} "
              f"max {figures['max']:7.2f} ms   {figures['median'] / yardstick:5.2f}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({runtime: summary(times[runtime]) for runtime in runtimes}, file, indent=2)


if __name__ == "__main__":
    main()
