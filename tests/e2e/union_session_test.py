#!/usr/bin/env python3
"""Union mounts as people use them: mount(8), fstab lines, remounts, the `unionmount` program; as root, as an
ordinary user and in a user namespace.

Everything happens in a mount namespace of the test's own, with the mount helpers in its /sbin.
"""
import json
import os
import shutil
import signal
import stat
import subprocess
import time
import unittest

import harness
from harness import run

UNIONMOUNT = os.environ["UNIONMOUNT"]
NOBODY = 65534
HELPERS = ("mount.aufs", "mount.fuse.aufs")


def prepare_machine(scratch):
    """Helpers in /sbin, and a /dev/fuse that everybody may open, as most machines have it."""
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", scratch)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(scratch, name))
    sbin = os.path.realpath("/sbin")
    overlay = run("mount", "-t", "overlay", "-o",
                  f"lowerdir={sbin},upperdir={scratch}/upper,workdir={scratch}/work", "none", sbin, check=False)
    if overlay.returncode != 0:
        harness.skip_program("needs an overlay over /sbin: " + overlay.stderr)
    # Where everybody can run it.
    program = os.path.join(scratch, "unionmount")
    shutil.copy(UNIONMOUNT, program)
    os.chmod(program, 0o755)
    for helper in HELPERS:
        os.symlink(program, os.path.join(sbin, helper))
    if not os.path.exists("/dev/fuse"):
        harness.skip_program("needs /dev/fuse")
    device = os.path.join(scratch, "fuse")
    os.mknod(device, 0o666 | stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
    os.chmod(device, 0o666)
    run("mount", "--bind", device, "/dev/fuse")
    # Control directories of the machine's own unions stay out of sight.
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", "/run")
    return program


def wait_until(condition, what):
    """Something that another process does soon."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("never happened: " + what)


def mounts_at(path):
    """[type, options of the mount] of each mount there."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        for line in mountinfo:
            fields = line.split(" ")
            if fields[4].encode().decode("unicode_escape") == path:
                found.append([fields[fields.index("-") + 1], fields[5]])
    return found


def put(text, *names):
    with open(os.path.join(*names), "w", encoding="utf-8") as file:
        file.write(text)


def text_of(*names):
    with open(os.path.join(*names), encoding="utf-8") as file:
        return file.read()


class UnionTest(harness.TestCase):
    """A, B and C as in aufs's README; commands run in their directory."""

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        for directory, names in (("A", "ax"), ("B", "bx"), ("C", ""), ("D", "d")):
            os.mkdir(self.path(directory))
            for name in names:
                put(f"{directory}'s {name}\n", self.path(directory, name))

    def command(self, *command, **options):
        return run(*command, cwd=self.dir, **options)

    def union(self, *arguments, **options):
        return self.command(PROGRAM, *arguments, **options)

    def union_ids(self):
        return [json.loads(line)["ID"] for line in self.union("list", "--format", "json").stdout.splitlines()]

    def branches(self, **options):
        """Names and permissions, as they are shown."""
        lines = self.union("branches", "C", **options).stdout.splitlines()
        return [line.replace(self.dir + "/", "") for line in lines]

    def names(self, directory):
        return sorted(n for n in os.listdir(self.path(directory)) if not n.startswith(".wh..wh."))

    def server_file(self, name, place="/run/aufs"):
        (union,) = os.listdir(place)
        return int(text_of(place, union, name))


class ClassicSession(UnionTest):
    """The session that every introduction to AUFS shows."""

    SESSION = r"""
set -e
%(mount)s
test "$(ls C | xargs)" = "a b x"
test "$(cat C/x)" = "A's x"
echo changed > C/b
test "$(cat A/b)" = changed
test "$(cat B/b)" = "B's b"
rm C/b
test -e A/.wh.b
test "$(ls C | xargs)" = "a x"
test "$(cat B/b)" = "B's b"
if ls -a C | grep -F .wh.; then exit 9; fi
%(umount)s
test "$(ls C)" = ""
"""

    def session(self, mount, umount):
        return self.SESSION % {"mount": mount, "umount": umount}

    def give_away(self):
        os.mkdir(self.path("runtime"), 0o700)
        for directory, _, names in os.walk(self.dir):
            for path in [directory] + [os.path.join(directory, n) for n in names]:
                os.chown(path, NOBODY, NOBODY)

    def as_user(self, script, *prefix):
        return subprocess.run(
            [*prefix, "sh", "-c", script], cwd=self.dir, user=NOBODY, group=NOBODY, extra_groups=[],
            capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": self.path("runtime")})

    def require_ordinary_users(self, *prefix):
        probe = self.as_user("true", *prefix)
        if probe.returncode != 0:
            self.skipTest("an ordinary user cannot do that here: " + probe.stderr.strip())

    def test_as_root_by_mount(self):
        self.command("sh", "-c", self.session("mount -t aufs -o dirs=./A:./B none ./C", "umount C"))

    def test_as_root_by_the_program(self):
        self.command("sh", "-c", self.session(f"{PROGRAM} mount -o dirs=./A:./B none ./C",
                                              f"{PROGRAM} umount ./C"))

    def test_as_an_ordinary_user(self):
        self.require_ordinary_users()
        if not shutil.which("fusermount3"):
            self.skipTest("needs fusermount3")
        self.give_away()
        mount = (f"{PROGRAM} mount -o dirs=./A:./B none ./C\n"
                 'if grep " $PWD/C .*allow_other" /proc/self/mountinfo; then exit 9; fi')
        result = self.as_user(self.session(mount, f"{PROGRAM} umount ./C"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_in_a_user_namespace(self):
        self.require_ordinary_users("unshare", "-Urm")
        self.give_away()
        result = self.as_user(self.session(f"{PROGRAM} mount -o dirs=./A:./B none ./C", "umount ./C"),
                              "unshare", "-Urm")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_directories_that_an_ordinary_user_may_not_read_are_shown(self):
        self.require_ordinary_users()
        self.give_away()
        for branch in "AB":
            os.mkdir(self.path(branch, "closed"), 0o700)
        result = self.as_user(f"{PROGRAM} mount -o dirs=./A:./B ./C && stat -c %a C/closed && ls C\n"
                              f"code=$?; {PROGRAM} umount ./C; exit $code")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.split(), ["700", "a", "b", "closed", "x"])

    def test_an_ordinary_users_server_that_is_killed_leaves_no_mount(self):
        self.require_ordinary_users()
        self.give_away()
        place = self.path("runtime")
        result = self.as_user(f"{PROGRAM} mount -o dirs=./A:./B ./C")
        self.assertEqual(result.returncode, 0, result.stderr)
        os.kill(self.server_file("pid", os.path.join(place, "aufs")), signal.SIGKILL)
        wait_until(lambda: not mounts_at(self.path("C")), "the dead mount goes")
        wait_until(lambda: not os.listdir(os.path.join(place, "aufs")), "the control directory goes")

    def test_writable_branches_keep_their_files(self):
        self.command("mount", "-t", "aufs", "-o", "dirs=./A=rw:./B=rw", "none", "./C")
        put("changed\n", self.path("C", "b"))
        self.assertEqual(text_of(self.path("B", "b")), "changed\n")
        self.assertEqual(self.names("A"), ["a", "x"])


class ChangesWhileMounted(UnionTest):
    def setUp(self):
        super().setUp()
        self.command("mount", "-t", "aufs", "-o", "dirs=./A:./B", "none", "./C")

    def test_branches_come_and_go_by_mount(self):
        os.listdir(self.path("C"))
        self.command("mount", "-o", f"remount,append:{self.path('D')}", "C")
        self.assertEqual(self.branches(), ["A=rw", "B=ro", "D=ro"])
        self.assertEqual(self.names("C"), ["a", "b", "d", "x"])
        self.command("mount", "-t", "aufs", "-o", "remount,del:./B,mod:./D=ro+wh", "./C")
        self.assertEqual(self.branches(), ["A=rw", "D=ro+wh"])
        self.assertEqual(self.names("C"), ["a", "d", "x"])
        self.command("mount", "-i", "-o", "remount", "C")  # the kernel alone: nothing to do

    def test_branches_come_and_go_by_the_program(self):
        self.union("remount", "-o", "prepend:./D=rw", "-o", "mod:./A=ro", "C")
        self.assertEqual(self.branches(), ["D=rw", "A=ro", "B=ro"])
        put("new\n", self.path("C", "new"))
        self.assertEqual(self.names("D"), ["d", "new"])
        self.union("remount", "C", "-o", "append:./D,del:./gone")  # what is so already is success
        self.assertEqual(self.branches(), ["D=rw", "A=ro", "B=ro"])

    def test_a_branch_in_use_stays(self):
        with open(self.path("C", "b"), encoding="utf-8"):
            result = self.union("remount", "-o", f"del:{self.path('B')}", "C", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("Device or resource busy", result.stderr)
            by_mount = self.command("mount", "-o", f"remount,del:{self.path('B')}", "C", check=False)
            self.assertEqual(by_mount.returncode, 32)
        self.assertEqual(self.branches(), ["A=rw", "B=ro"])
        self.union("remount", "-o", f"del:{self.path('B')}", "C")
        self.assertEqual(self.branches(), ["A=rw"])

    def test_branches_in_each_other_are_refused(self):
        os.mkdir(self.path("A", "in"))
        for path, text in (("./A/in", "lies in"), (self.dir, "lies in"), ("./C", "it lies in the union")):
            result = self.union("remount", "-o", f"append:{path}", "C", check=False)
            self.assertEqual(result.returncode, 1, path)
            self.assertIn(text, result.stderr)
        self.assertEqual(self.branches(), ["A=rw", "B=ro"])
        self.command("umount", "C")

    def test_settings_and_flags_change(self):
        self.union("remount", "-o", "udba=none,create=mfs", "C")
        self.union("remount", "-o", "udba=notify", "C")
        (line,) = self.union("list", "--format", "json").stdout.splitlines()
        self.assertEqual(set(json.loads(line)["Options"].split(",")), {"create=mfs", "udba=notify"})
        self.union("remount", "-o", "ro", "C")
        with self.assertRaises(OSError):
            put("", self.path("C", "new"))
        self.union("remount", "-o", "rw,nosuid", "C")
        put("", self.path("C", "new"))
        self.assertIn("nosuid", mounts_at(self.path("C"))[0][1])

    def test_what_is_mounted_is_shown(self):
        (identity,) = self.union_ids()
        self.assertEqual(os.listdir("/run/aufs"), ["si_" + identity])
        self.assertEqual(text_of("/run/aufs", "si_" + identity, "br1"), f"{self.path('B')}=ro\n")
        self.assertEqual(text_of("/run/aufs", "si_" + identity, "mount"), self.path("C") + "\n")
        self.assertEqual(self.union("list", "-q").stdout, self.path("C") + "\n")
        shown = json.loads(self.union("branches", "--format", "json", "C").stdout)
        self.assertEqual([b["Permission"] for b in shown], ["rw", "ro"])
        self.assertEqual(mounts_at(self.path("C"))[0][0], "fuse.aufs")
        self.command("umount", "C")
        wait_until(lambda: not os.listdir("/run/aufs"), "the control directory goes")

    def test_a_server_that_is_killed_leaves_no_mount(self):
        put("kept\n", self.path("C", "x"))
        supervisor = self.server_file("supervisor")
        with open(self.path("C", "x"), encoding="utf-8"):
            os.kill(self.server_file("pid"), signal.SIGKILL)
            wait_until(lambda: not mounts_at(self.path("C")), "the dead mount goes")
        wait_until(lambda: not os.listdir("/run/aufs"), "the control directory goes")
        wait_until(lambda: has_ended(supervisor), "the supervisor ends")
        self.command("mount", "-t", "aufs", "-o", "dirs=./A:./B", "none", "./C")
        self.assertEqual(text_of(self.path("C", "x")), "kept\n")

    def test_the_supervisor_unmounts_when_it_is_told_to_end(self):
        server = self.server_file("pid")
        os.kill(self.server_file("supervisor"), signal.SIGTERM)
        wait_until(lambda: not mounts_at(self.path("C")), "the mount goes")
        wait_until(lambda: has_ended(server), "the server ends")

    def test_only_one_union_writes_to_a_branch(self):
        result = self.union("mount", "-o", "dirs=./A:./B", "./D", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("another union writes to it", result.stderr)
        self.assertEqual(len(self.union_ids()), 1)
        self.assertFalse(mounts_at(self.path("D")))


def has_ended(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Mounting(UnionTest):
    def test_a_line_of_fstab(self):
        put(f"none {self.path('C')} aufs dirs={self.path('A')}:{self.path('B')},nodev 0 0\n", self.path("fstab"))
        self.command("mount", "-a", "-T", "fstab")
        self.command("mount", "-a", "-T", "fstab")  # is mounted already
        self.assertEqual(len(mounts_at(self.path("C"))), 1)
        self.assertIn("nodev", mounts_at(self.path("C"))[0][1])
        self.assertEqual(self.names("C"), ["a", "b", "x"])
        self.command("mount", "-T", "fstab", "-o", f"remount,append:{self.path('D')}", self.path("C"))
        self.assertEqual(self.branches(), ["A=rw", "B=ro", "D=ro"])

    def test_mounting_again_right_after_unmounting(self):
        for _ in range(15):
            self.union("mount", "-t", "fuse", "-o", "dirs=./A:./B", "C")
            os.listdir(self.path("C"))
            self.command("umount", "C")

    def test_options_stand_anywhere_and_paths_may_be_odd(self):
        odd = ["a b", "c:d", "e,f=g", "h\ni"]
        for name in odd:
            os.mkdir(self.path(name))
            put("", self.path(name, f"in {name}"))
        escaped = [name.replace(":", "\\:").replace(",", "\\,").replace("=", "\\=") for name in odd]
        self.union("mount", "C", "-o", f"br:./{escaped[0]}=rw:./{escaped[1]}", "-t", "fuse",
                   "-o", f"append:./{escaped[2]}", "-o", f"append:./{escaped[3]}", "-v")
        self.assertEqual(self.names("C"), sorted(f"in {name}" for name in odd))
        shown = json.loads(self.union("branches", "--format", "json", "C").stdout)
        self.assertEqual([b["Path"] for b in shown], [self.path(name) for name in odd])
        self.union("remount", "-o", f"del:./{escaped[3]}", "C")
        self.assertEqual(len(self.branches()), 3)

    def test_the_kernels_file_systems_come_first_and_the_reason_is_told(self):
        os.mkdir(self.path("w"))
        said = self.union("mount", "-v", "-o", "lowerdir=B,upperdir=A,workdir=w", "C").stdout
        self.assertEqual(said, self.path("C") + ": overlay\n")
        self.assertEqual(mounts_at(self.path("C"))[0][0], "overlay")
        self.union("umount", "C")
        self.assertIn(": fuse\n", self.union("mount", "-v", "-t", "fuse", "-o", "dirs=A:B", "C").stdout)
        self.union("umount", "C")
        if "\taufs\n" not in text_of("/proc/filesystems"):
            self.assertIn(": fuse (the kernel has no aufs)", self.union("mount", "-v", "-o", "dirs=A:B", "C").stdout)
            refused = self.union("mount", "-t", "aufs", "-o", "dirs=A:B", "D", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("this kernel has no aufs", refused.stderr)

    def test_settings_of_overlayfs_reach_the_kernel(self):
        for name in ("w", "data", "D/old"):
            os.mkdir(self.path(name))
        branches = "lowerdir=B:D::data,upperdir=A,workdir=w"
        self.union("mount", "-o", branches, "C")
        self.assertRaises(OSError, os.rename, self.path("C", "old"), self.path("C", "new"))
        self.union("umount", "C")
        self.union("mount", "-o", branches + ",metacopy=on", "C")
        os.rename(self.path("C", "old"), self.path("C", "new"))
        self.union("umount", "C")
        self.assertEqual(os.getxattr(self.path("A", "new"), "trusted.overlay.redirect"), b"old")
        refused = self.union("mount", "-t", "fuse", "-o", branches, "C", check=False)
        self.assertIn("only overlayfs has", refused.stderr)
        refused = self.union("mount", "-t", "overlay", "-o", branches + ",metacopy=on,redirect_dir=off", "C", check=False)
        self.assertIn("metacopy=on and redirect_dir=off exclude each other", refused.stderr)

    def test_what_cannot_be_mounted_is_told_and_leaves_nothing(self):
        cases = (("br:./nothere", "opening './nothere': No such file or directory"),
                 ("br:./A,bogus", "'bogus'"), ("rw", "no branches are named"),
                 ("br:./A=rw:./A=ro", "is the same directory as"))
        for options, text in cases:
            by_mount = self.command("mount", "-t", "aufs", "-o", options, "none", "C", check=False)
            self.assertEqual(by_mount.returncode, 32, by_mount.stderr)
            self.assertIn("mount.aufs: ", by_mount.stderr)
            self.assertIn(text, by_mount.stderr)
            result = self.union("mount", "-o", options, "C", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(self.command("mount.aufs", "none", check=False).returncode, 1)
        self.assertEqual(self.union("mount", check=False).returncode, 2)
        self.assertEqual(self.union("umount", "C", check=False).returncode, 1)
        self.assertEqual(self.union("branches", "C", check=False).returncode, 1)
        self.assertFalse(mounts_at(self.path("C")))
        self.assertEqual(self.union_ids(), [])

    def test_in_the_foreground_a_signal_unmounts(self):
        with subprocess.Popen([PROGRAM, "mount", "-f", "-o", "dirs=A:B", "C"], cwd=self.dir) as program:
            wait_until(lambda: mounts_at(self.path("C")), "the mount comes")
            program.send_signal(signal.SIGTERM)
            self.assertEqual(program.wait(), 0)
        self.assertFalse(mounts_at(self.path("C")))

    def test_others_enter_only_where_asked(self):
        self.command("mount", "-t", "aufs", "-o", "dirs=./A:./B", "none", "C")
        probe = ["test", "-e", self.path("C", "a")]
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "check": False}
        if subprocess.run(["true"], capture_output=True, **as_user).returncode != 0:
            self.skipTest("ordinary users cannot run programs here")
        self.assertNotEqual(subprocess.run(probe, **as_user).returncode, 0)
        self.command("umount", "C")
        self.command("mount", "-t", "aufs", "-o", "dirs=./A:./B,allow_other", "none", "C")
        self.assertEqual(subprocess.run(probe, **as_user).returncode, 0)


class CheckingBranches(UnionTest):
    def test_findings_are_told_and_mended(self):
        put("", self.path("A", ".wh.a"))
        os.makedirs(self.path("A", ".wh..wh.orph", "1"))
        result = self.union("check", "A", "B", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("to mend: A/.wh.a: the name that it hides is beside it [both]", result.stdout)
        self.assertIn("A: 2 findings\nB: no findings\n", result.stdout)
        (line,) = self.union("check", "--format", "json", "A", check=False).stdout.splitlines()
        self.assertEqual({f["kind"] for f in json.loads(line)["findings"]}, {"both", "leftover"})
        self.assertIn("A: no findings left\n", self.union("check", "--repair", "A").stdout)
        self.assertEqual(self.names("A"), ["a", "x"])
        self.union("check", "A")

    def test_a_mounted_union_is_left_alone(self):
        self.union("mount", "-t", "fuse", "-o", "dirs=A:B", "C")
        put("", self.path("C", "new"))
        result = self.union("check", "A")
        self.assertIn("is in use", result.stderr)
        refused = self.union("check", "--repair", "A", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("writes to the branch", refused.stderr)


class Documents(UnionTest):
    def test_completions_and_manual_are_well_formed(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.path(shell)
            put(self.union("completion", shell).stdout, script)
            if shutil.which(shell):
                self.command(shell, "-n", script)
        page = self.union("__man").stdout
        for command in ("mount", "remount", "umount", "list", "branches", "check"):
            self.assertIn(f"\n.SS {command}\n", page)
        if shutil.which("groff"):
            formatted = run("groff", "-man", "-Tascii", "-ww", input=page)
            self.assertEqual(formatted.stderr, "")


if __name__ == "__main__":
    if os.geteuid() != 0:
        harness.skip_program("needs root")
    harness.enter_private_mounts()
    SCRATCH = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"layerkit-union-{os.getpid()}")
    os.mkdir(SCRATCH, 0o755)
    try:
        PROGRAM = prepare_machine(SCRATCH)
        unittest.main(verbosity=2)
    finally:
        run("umount", "-l", SCRATCH, check=False)
        os.rmdir(SCRATCH)
