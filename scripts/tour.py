#!/usr/bin/env python3
"""Writes docs/TOUR.md: each command of imagetool on a Debian image, as it went.

    tour.py OCI_LAYOUT        prints the page; the layout holds the image as `debian`
    tour.py --check OCI_LAYOUT    compares it with docs/TOUR.md: digests, numbers, times and sizes may differ

It needs root, and imagetool in $IMAGETOOL or in PATH."""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs/TOUR.md")

INTRODUCTION = """# A tour of imagetool

Every command once, on a Debian image of four layers: a minimal system, Python, `/usr/share/doc` removed,
`/etc/apt` and `/usr/share/man` replaced. The page is made by running the commands: `scripts/tour.py` writes it, and a
test fails when it is no longer true. [IMAGES.md](IMAGES.md) says what the commands mean; `imagetool COMMAND --help` and the
manual page have every option.
"""

# A heading, what is said of it, and commands. "#" hides a command that only prepares.
TOUR = [
    ("Getting images", "An image can be looked at wherever it lies: in an archive, in a layout, in the store.", [
        "imagetool copy oci:layout docker-archive:debian.tar:debian:12",
        "imagetool load -i debian.tar",
        "imagetool images --format '{{.Repository}}:{{.Tag}} {{.Size}}'",
        "imagetool tag debian:12 base:1",
        "imagetool history --format '{{.CreatedBy}}' debian:12",
        "imagetool inspect --format '{{.Os}}/{{.Architecture}} {{json .Config.Cmd}}' debian:12",
    ]),
    ("Looking into them", "Without a mount, without unpacking; on archives without privileges, too.", [
        "imagetool ls -l debian.tar /etc/apt /usr/share/man",
        "imagetool cat debian.tar /etc/apt/replaced/note",
        "imagetool tree oci:layout /etc/apt",
        "imagetool cp oci:layout:/etc/apt/replaced/note . && cat note",
        "imagetool layers --format 'table {{.Layer}}\\t{{.Added}}\\t{{.Changed}}\\t{{.Removed}}\\t{{.CreatedBy}}' debian:12",
        "imagetool explain debian:12 /usr/share/man",
        "imagetool explain debian:12 /usr/share/doc | tail -n 1",
        "imagetool waste --summary debian.tar | head -n 3",
        "imagetool waste --max-waste 99% debian.tar >/dev/null; echo $?",
        "imagetool lint --rules | head -n 3",
        "imagetool lint --format '{{.Rule}}' debian.tar 2>&1 | sort | uniq -c",
    ]),
    ("Making others of them", "Each makes a new image; the old one stays. The new one's ID is printed.", [
        "imagetool config debian:12 --env GREETING=hello --label stage=test -t app:1",
        "# mkdir -p layer/srv/app && echo one > layer/srv/app/data && echo secret > layer/srv/app/key",
        "imagetool append app:1 layer -t app:2",
        "imagetool diff app:1 app:2",
        "imagetool rm-path app:2 /srv/app/key -t app:3",
        "imagetool ls app:3 /srv/app",
        "imagetool split app:2 5 --by /srv/app/key -t app:4",
        "imagetool layers app:4 -q | wc -l",
        "imagetool drop app:4 6 -t app:5",
        "imagetool squash app:2 --from 2 -t app:6",
        "imagetool layers app:6 -q | wc -l",
        "imagetool flatten app:2 -t app:7",
        "imagetool diff app:2 app:7",
        "imagetool rebase app:2 --old-base debian:12 --new-base app:7 -t app:8",
        "# mkdir -p other/srv/app && echo two > other/srv/app/data && tar -C other -cf other.tar srv",
        "imagetool import -c 'CMD [\"/bin/true\"]' other.tar other:1",
        "imagetool merge app:2 other:1 -t both:1",
        "imagetool merge app:2 other:1 --trees -t both:2; echo $?",
        "imagetool merge app:2 other:1 --on-conflict first -t both:2 | tail -n 1",
        "SOURCE_DATE_EPOCH=1700000000 imagetool normalize other:1 -t other:2",
    ]),
    ("Moving them", "From one OCI layout to another all digests stay.", [
        "imagetool copy debian:12 oci-archive:debian.oci --compress zstd",
        "imagetool copy --all oci:layout oci:again",
        "grep -o 'sha256:[0-9a-f]*' layout/index.json again/index.json",
        "imagetool save --have debian:12 -o delta.tar app:2",
        "test $(stat -c %s delta.tar) -lt 100000 && echo small",
        "imagetool export -o root.tar app:2 && tar -tf root.tar srv/app/data",
        "imagetool save app:2 | imagetool load",
    ]),
    ("Containers", "Docker's words, without a daemon.", [
        "imagetool run --rm app:2 cat /srv/app/data",
        "imagetool run -d --name web app:2 sleep 1000",
        "imagetool ps --format '{{.Names}} {{.Image}} {{.State}}'",
        "imagetool exec -e WHO=world web sh -c 'echo $GREETING $WHO >> /srv/app/data; id -u'",
        "imagetool diff web",
        "imagetool diff app:2 container:web --content",
        "imagetool cp web:/srv/app/data said && cat said",
        "imagetool top web -o comm",
        "imagetool stats --no-stream --format '{{.Name}} {{.PIDs}}' web",
        "imagetool port web",
        "imagetool pause web && imagetool ps --format '{{.State}}' && imagetool unpause web",
        "imagetool commit -m 'said something' web app:9",
        "imagetool rename web site",
        "imagetool restart -t 0 site && imagetool stop -t 0 site",
        "imagetool wait site",
        "imagetool logs site",
        "imagetool create --name later app:9 cat /srv/app/data",
        "imagetool start -a later",
        "imagetool run -d --name patient app:2 sh -c 'sleep 2; echo done'",
        "imagetool attach patient",
        "imagetool run -d --name loop app:2 sleep 1000 && imagetool kill loop",
        "# mkdir mnt",
        "imagetool mount app:9 mnt && cat mnt/srv/app/data && imagetool unmount mnt",
        "imagetool rm -f site later patient loop",
        "NETCONFPATH=networks imagetool network create --subnet 10.89.7.0/24 blue",
        "NETCONFPATH=networks imagetool network ls --format '{{.Name}} {{.Driver}}'",
    ]),
    ("The store", "", [
        "imagetool system df | head -n 1",
        "imagetool check",
        "imagetool rmi app:8",
        "imagetool prune -f | tail -n 1",
        "imagetool info --format '{{.Driver}}'",
        "imagetool version | head -n 1",
        "imagetool completion bash | head -n 1",
    ]),
]


class Tour:
    def __init__(self, layout):
        self.directory = tempfile.mkdtemp(prefix="layerkit-tour-")
        os.symlink(os.path.abspath(layout), self.path("layout"))
        programs = self.path("bin")
        os.mkdir(programs)
        with open(os.path.join(programs, "imagetool"), "w", encoding="utf-8") as file:
            program = os.environ.get("IMAGETOOL") or shutil.which("imagetool")
            file.write(f'#!/bin/sh\nexec "{program}" -q --root "{self.path("store")}" "$@"\n')
        os.chmod(os.path.join(programs, "imagetool"), 0o755)
        self.environment = {**os.environ, "PATH": programs + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "COLUMNS": "110"}
        self.environment.pop("SOURCE_DATE_EPOCH", None)

    def path(self, name):
        return os.path.join(self.directory, name)

    def run(self, command):
        return subprocess.run(["bash", "-c", command], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300).stdout.replace(self.directory, "/tour")

    def page(self):
        parts = [INTRODUCTION]
        for heading, text, commands in TOUR:
            parts.append(f"\n## {heading}\n\n{text + chr(10) + chr(10) if text else ''}```\n")
            for command in commands:
                if command.startswith("# "):
                    self.run(command[2:])
                else:
                    parts.append(f"$ {command}\n{self.run(command)}")
            parts.append("```\n")
        return "".join(parts)

    def remove(self):
        for container in self.run("imagetool ps -aq").split():
            self.run("imagetool rm -f " + container)
        self.run("umount mnt 2>/dev/null")
        shutil.rmtree(self.directory)


def comparable(page):
    """Without what is another each time."""
    page = re.sub(r"sha256:[0-9a-f]{64}|\b[0-9a-f]{12,64}\b", "ID", page)
    page = re.sub(r"\d+", "N", page)
    page = re.sub(r"N(\.N)? ?[kMGT]?i?B\b", "SIZE", page)
    return [re.sub(r"\s+", " ", line).strip() for line in page.splitlines()]


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    if check:
        arguments.remove("--check")
    if len(arguments) != 1:
        sys.exit(__doc__)
    tour = Tour(arguments[0])
    try:
        page = tour.page()
    finally:
        tour.remove()
    if not check:
        sys.stdout.write(page)
        return
    with open(PAGE, encoding="utf-8") as file:
        written = file.read()
    difference = list(difflib.unified_diff(comparable(written), comparable(page), "docs/TOUR.md", "as it goes", lineterm=""))
    if difference:
        sys.exit("\n".join(difference))


if __name__ == "__main__":
    main()
