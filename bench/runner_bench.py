#!/usr/bin/env python3
"""Times OCI runtimes on one bundle, start to exit, turn by turn, and shows the medians as ratios.

It needs root and python3, and a bundle (a directory with config.json); it runs `RUNTIME run ID` in it.
crun refuses to run where cgroup v1 has a cgroup2 mount beside it: run this in a mount namespace
without that mount.
"""

import argparse
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


def summary(times):
    return {"min": min(times), "median": statistics.median(times), "max": max(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default=".")
    parser.add_argument("--runtimes", default="runner,crun,runc", help="the first is the yardstick")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--idle", type=float, default=0, help="milliseconds of rest before each run")
    parser.add_argument("--exec", metavar="PROGRAM", help="time `exec` of it in a running container")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    runtimes = arguments.runtimes.split(",")
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
