"""Tables and figures of a run."""
import os
import statistics


HEADINGS = {
    "median": "Medians of {} rounds",
    "least": "The least of {} rounds",
    "cpu": "CPU time of the work and of the server, the least of {} rounds",
}


def _figure(measured, by):
    if by == "cpu":
        return min(one.cpu_seconds for one in measured)
    return (statistics.median if by == "median" else min)(one.seconds for one in measured)


def _ratio_text(ratio):
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def _time_text(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


class Report:
    def __init__(self, rows, systems, arguments, notes):
        self._rows, self._systems, self._arguments, self._notes = rows, systems, arguments, notes
        self._load = os.getloadavg()
        self._results = []  # (lowers, measured, failures)

    def add(self, lowers, measured, failures):
        self._results.append((lowers, measured, failures))

    def _first_fuse(self, row, figures):
        """Which of the FUSE file systems is the fastest."""
        found = {system.name: figures[row.name, system.name] for system in self._systems
                 if system.fuse and (row.name, system.name) in figures}
        return min(found, key=found.get) if found else ""

    def _cell(self, row, system, figures, failures):
        key = (row.name, system.name)
        if key in failures:
            return "failed"
        if key not in figures:
            return "-"
        if system.name == "native":
            return _time_text(figures[key])
        native = figures.get((row.name, "native"))
        return _ratio_text(figures[key] / native) if native else _time_text(figures[key])

    def _table(self, lowers, measured, failures):
        figures = {key: _figure(rounds, self._arguments.by) for key, rounds in measured.items()}
        names = [system.name for system in self._systems]
        yield f"### {lowers} lower branches"
        yield ""
        yield "| row | " + " | ".join(names) + " | first by FUSE |"
        yield "|---" * (len(names) + 2) + "|"
        for row in self._rows:
            cells = [self._cell(row, system, figures, failures) for system in self._systems]
            yield "| " + " | ".join([row.title, *cells, self._first_fuse(row, figures)]) + " |"
        for (row, system), reason in failures.items():
            yield ""
            yield f"{system} failed in {row}: {reason.splitlines()[0][:200]}"

    def markdown(self):
        where = self._arguments.dir or "tmpfs"
        lines = [f"{HEADINGS[self._arguments.by].format(self._arguments.rounds)} on {where}; native in time, the others as ratios to it "
                 f"(smaller is better). Kernel {os.uname().release}, {os.cpu_count()} CPUs, load at the start {self._load[0]:.1f}."]
        lines += [f"\n{note}" for note in self._notes]
        for result in self._results:
            lines += ["", *self._table(*result)]
        return "\n".join(lines) + "\n"

    def figures(self):
        """One object per cell, with every round."""
        cells = []
        for lowers, measured, failures in self._results:
            for (row, system), rounds in measured.items():
                cells.append({"lowers": lowers, "row": row, "system": system,
                              "seconds": [one.seconds for one in rounds],
                              "cpu_seconds": [one.cpu_seconds for one in rounds],
                              **{by: _figure(rounds, by) for by in HEADINGS}})
            cells += [{"lowers": lowers, "row": row, "system": system, "failed": reason}
                      for (row, system), reason in failures.items()]
        return {"directory": self._arguments.dir or "tmpfs", "kernel": os.uname().release, "cpus": os.cpu_count(),
                "load": self._load[0], "left_out": self._notes, "cells": cells}
