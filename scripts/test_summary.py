#!/usr/bin/env python3
"""Prints which tests were skipped and why, and how many ran under each label.

usage: test_summary.py BUILD_DIR RESULTS_XML
Exit status 1 when a label exists of which no test ran.
"""
import collections
import json
import re
import subprocess
import sys
import xml.etree.ElementTree


def labels_by_test(build_dir):
    listing = subprocess.run(
        ["ctest", "--test-dir", build_dir, "--show-only=json-v1"],
        check=True, capture_output=True, text=True).stdout
    result = {}
    for test in json.loads(listing)["tests"]:
        for prop in test.get("properties", []):
            if prop["name"] == "LABELS":
                result[test["name"]] = prop["value"]
    return result


def skip_reason(output):
    """The text behind GTEST_SKIP, or the line "SKIP: reason" of a script."""
    lines = [line for line in output.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("SKIP:"):
            return line[5:].strip()
    for i, line in enumerate(lines):
        if re.search(r": Skipped$", line) and i + 1 < len(lines):
            return lines[i + 1].strip()
    return "no reason given"


def main():
    build_dir, results = sys.argv[1:]
    labels = labels_by_test(build_dir)
    ran, skipped = collections.Counter(), []
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        name = case.get("name")
        if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
            skipped.append((name, skip_reason(case.findtext("system-out") or "")))
            continue
        for label in labels.get(name, ["unlabelled"]):
            ran[label] += 1

    print()
    for name, reason in skipped:
        print(f"skipped: {name}: {reason}")
    known = sorted({label for names in labels.values() for label in names})
    for label in known:
        print(f"label {label}: {ran[label]} ran")
    print(f"{sum(ran.values())} ran, {len(skipped)} skipped")
    silent = [label for label in known if ran[label] == 0]
    for label in silent:
        print(f"error: no test with the label '{label}' ran", file=sys.stderr)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
