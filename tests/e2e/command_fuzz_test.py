"""Random command lines, made of the program's own grammar as its help tells it: options with values of
their kinds and with nonsense, operands that exist and that do not. Whatever is asked for, the program
ends in good order, says one error where there is one, and leaves nothing behind.

FUZZ_RUNS and FUZZ_SEED choose how many, and which."""
import json
import os
import random
import re
import shutil
import signal
import subprocess

import harness
import small_images
from harness import IMAGETOOL, run

RUNS = int(os.environ.get("FUZZ_RUNS", "400"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
NOBODY = 65534
PATIENCE = 60
# What does not end by itself; it is asked to by a signal.
ENDLESS = {"stats", "logs", "wait", "attach", "top", "start", "exec", "run", "restart"}
# What speaks with the words of a container's process.
SPEAKS_FOR_ANOTHER = {"run", "exec", "start", "attach", "logs"}
# They change what is not below the store: networks of the host.
LEFT_OUT = {"network"}
LEFT_OUT_OPTIONS = {"--help", "--network", "--publish", "--uts", "--device", "--env-file", "--userns"}

JUNK = [b"", b"-", b"--", b"-1", b"0", b"99999999999999999999", b"1.5", b"\x01\x1b[31mred\x07", b"\xff\xfe", "\u00e9\u0301".encode(),
        b"a" * 5000, b"../../..", b"/", b"%s%n", b"{{", b"{{.Nosuch}}", b"{{json .}}", b"sha256:zz", b"@0", b"a=b", b"=", b":", b"a:b:c:d",
        b" ", b"\n", b"nosuch", b"UPPER", b"[\"a\"]", b"{}", b"null"]
LAYERS = [small_images.layer(("etc", None), ("etc/a", b"one"), ("etc/b", "-> etc/a"), ("gone", b"1")),
          small_images.layer((".wh.gone", b""), ("etc", None), ("etc/a", b"two"), ("s", "~> etc/a"))]


class Grammar:
    """What `--help` says of each command."""

    def __init__(self):
        self.commands = {}
        for line in run(IMAGETOOL, "--help").stdout.splitlines():
            found = re.fullmatch(r"  ([a-z-]+) {2,}\S.*", line)
            if found and found[1] not in LEFT_OUT:
                self.read(found[1])

    def read(self, *path):
        usage, *rest = run(IMAGETOOL, *path, "--help").stdout.splitlines()
        inner = [found[1] for line in rest if (found := re.fullmatch(r"  ([a-z-]+) {2,}\S.*", line))]
        if inner:
            for name in inner:
                self.read(*path, name)
            return
        options = []
        for line in rest:
            found = re.match(r"  (?:(-\w), |    )(--[\w-]+)(?: (\S.*?))?(?: {2,}|$)", line)
            if found and found[2] not in LEFT_OUT_OPTIONS:
                options.append((found[1], found[2], found[3]))
        operands = usage.split("[OPTIONS]", 1)[-1].split()
        self.commands[path] = (options, operands)


class CommandFuzzTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.store = harness.Store(self.path("store"))
        self.work = self.path("work")
        self.temporary = self.path("tmp")
        for directory in (self.work, self.temporary):
            os.mkdir(directory)
            os.chmod(directory, 0o1777)
        self.addCleanup(self.remove_containers)
        small_images.write_archive(self.path("app.tar"), "app:1", LAYERS)
        small_images.write_archive(self.path("box.tar"), "box:1", [small_images.busybox_layer()])
        with open(self.path("app.tar"), "rb") as file:
            content = file.read()
        with open(self.path("broken.tar"), "wb") as file:
            file.write(content[:len(content) // 2])
        with open(self.path("junk.tar"), "wb") as file:
            file.write(self.random.randbytes(3000))
        os.mkdir(self.path("directory"))
        self.store("load", "-i", self.path("app.tar"))
        self.store("load", "-i", self.path("box.tar"))
        self.store("copy", "app:1", "oci:" + self.path("layout"))

    def remove_containers(self):
        for container in self.store("ps", "-aq", check=False).stdout.split():
            self.store("rm", "-f", container, check=False)
        for mount in harness.mounts_below(self.path()):
            subprocess.run(["umount", "-l", mount], check=False)

    # Values

    def image(self):
        return self.random.choice([
            "app:1", "box:1", "app", "nosuch:1", self.path("app.tar"), self.path("broken.tar"), self.path("junk.tar"),
            self.path("layout"), "oci:" + self.path("layout"), "docker-archive:" + self.path("app.tar") + ":app:1",
            "oci-archive:" + self.path("app.tar"), self.path("directory"), self.path("none"), "docker://x"]).encode()

    def container(self):
        return self.random.choice(["one", "two", "nosuch", "container:one"]).encode()

    def inner_path(self):
        return self.random.choice(["/etc/a", "etc", "/", "s", "/none", "../..", "etc/a/b", "."]).encode()

    def output(self):
        name = f"{self.work}/out{self.random.randrange(20)}"
        return self.random.choice([name, name, "/nosuch/out", self.path("directory"), "-"]).encode()

    def value(self, kind):
        pick = self.random.random()
        if pick < 0.25:
            return self.random.choice(JUNK)
        kind = kind.strip("[].").split("=", 1)[0] if kind else ""
        if re.fullmatch(r"[a-z0-9|-]+", kind) and "|" in kind:
            return self.random.choice(kind.split("|")).encode()
        if "IMAGE" in kind and "CONTAINER" not in kind:
            return self.image()
        if "CONTAINER" in kind:
            return self.random.choice([self.container, self.image])()
        if "ARCHIVE" in kind or kind == "DESTINATION":
            return self.random.choice([b"new:1", b"oci:" + self.output(), b"docker-archive:" + self.output() + b":x:1", b"x:1"])
        if "DIR" in kind or "FILE" in kind or "PATH" in kind or "SOURCE" in kind or "DEST" in kind:
            return self.random.choice([self.output, self.inner_path, lambda: self.path("app.tar").encode(),
                                       lambda: self.container() + b":/etc"])()
        if kind in ("N", "L", "LAYER", "SECONDS", "BYTES"):
            return self.random.choice([b"1", b"2", b"0", b"7"])
        return self.random.choice([b"1", b"a=b", b"json", b"{{.ID}}", b"linux/amd64", b"TERM", b"1m", b"one", b"root", b"table"])

    def command_line(self, path, options, operands):
        line = [name.encode() for name in path]
        for short, name, kind in self.random.sample(options, min(len(options), self.random.choice([0, 0, 1, 1, 2, 3]))):
            line.append((short if short and self.random.random() < 0.5 else name).encode())
            if kind:
                line.append(self.value(kind))
        if self.random.random() < 0.03:
            line.append(b"--nosuch-option")
        for operand in operands:
            for _ in range(self.random.choice([1, 1, 1, 2] if "..." in operand else [1])):
                if operand.startswith("[") and self.random.random() < 0.4 or self.random.random() < 0.04:
                    continue
                line.append(self.operand(path, operand))
        return line

    def operand(self, path, operand):
        if path in (("run",), ("create",), ("exec",)):
            if "IMAGE" in operand:
                return self.random.choice([b"box:1", self.image()])
            if "COMMAND" in operand:
                return self.random.choice([b"/bin/sh", b"true", b"/etc", b"nosuch"])
            if "ARG" in operand:
                return b"-c"
        return self.value(operand)

    # Runs

    def execute(self, line, as_nobody):
        def drop():
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            if as_nobody:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
        program = self.path("imagetool")
        if not os.path.exists(program):
            shutil.copy(IMAGETOOL, program)
            for directory in (self.path(), os.path.dirname(self.path())):
                os.chmod(directory, os.stat(directory).st_mode | 0o011)
        process = subprocess.Popen([program.encode(), b"--root", self.store.root.encode(), *line], cwd=self.work,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "TMPDIR": self.temporary}, preexec_fn=drop)
        is_asked = line[0].decode() in ENDLESS
        try:
            output, errors = process.communicate(timeout=2 if is_asked else PATIENCE)
            is_asked = False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            try:
                output, errors = process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                # The signal may be passed on to a process that does not heed it.
                self.remove_containers()
            try:
                output, errors = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.fail(f"it does not end: {line}")
            self.assertTrue(is_asked, f"it took longer than {PATIENCE} seconds: {line}")
        return process.returncode, output, errors, is_asked

    def check_errors(self, line, code, errors):
        for word in (b"terminate called", b"std::", b"json.exception", b"Assertion", b"basic_string", b"runtime error:"):
            self.assertNotIn(word, errors)
        if line[0].decode() in SPEAKS_FOR_ANOTHER:
            return
        self.assertIsNone(re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", errors), "control characters in an error")
        lines = errors.decode(errors="surrogateescape").splitlines()
        for text in lines:
            if not text.startswith("imagetool: "):
                self.assertEqual(code, 2, text)
                self.assertRegex(text, "^Run 'imagetool .*--help' for more information")
        if code != 0:
            self.assertTrue([text for text in lines if not text.startswith("imagetool: warning: ")], "it fails without a word")

    def check_nothing_is_left(self):
        self.assertEqual(os.listdir(self.temporary), [])
        self.assertEqual(self.store.staging(), [])
        self.assertEqual([name for name in os.listdir(self.work) if not name.startswith("out")], [])

    def test_random_command_lines(self):
        grammar = Grammar()
        self.assertGreater(len(grammar.commands), 50)
        paths = sorted(grammar.commands)
        codes = {}
        for number in range(RUNS):
            path = paths[number % len(paths)] if number < 3 * len(paths) else self.random.choice(paths)
            line = self.command_line(path, *grammar.commands[path])
            if any(b"\0" in word for word in line):
                continue
            self.keep_containers()
            as_nobody = self.random.random() < 0.25
            with self.subTest(number=number, line=line, as_nobody=as_nobody):
                code, _, errors, is_asked = self.execute(line, as_nobody)
                self.assertGreaterEqual(code, -signal.SIGTERM if is_asked else 0, errors)
                self.assertNotIn(code, (128 + signal.SIGSEGV, 128 + signal.SIGABRT), errors)
                self.check_errors(line, code, errors)
                self.check_nothing_is_left()
                codes[code] = codes.get(code, 0) + 1
        print(f"seed {SEED}, exit codes {dict(sorted(codes.items()))}", flush=True)
        self.assertGreater(codes.get(0, 0), RUNS // 20)
        self.remove_containers()
        self.assertEqual(harness.mounts_below(self.path()), [])
        check = self.store("check", check=False)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
        left = subprocess.run(["pgrep", "-f", self.store.root], capture_output=True, text=True, check=False).stdout.split()
        self.assertEqual(left, [])

    def keep_containers(self):
        """There are always a stopped and a running one, and the images."""
        if "box:1" not in self.store("images", "--format", "{{.Repository}}:{{.Tag}}").stdout:
            self.store("load", "-i", self.path("box.tar"))
        names = json.loads("[" + ",".join(self.store("ps", "-a", "--format", "json").stdout.splitlines()) + "]")
        there = {name for row in names for name in row["Names"].split(",")}
        if len(there) > 12:
            self.remove_containers()
            there = set()
        if "one" not in there:
            self.store("create", "--name", "one", "box:1", "true")
        if "two" not in there:
            self.store("run", "-d", "--name", "two", "box:1", "busybox", "sleep", "1000000", check=False)


if __name__ == "__main__":
    harness.enter_private_mounts()
    harness.main()
