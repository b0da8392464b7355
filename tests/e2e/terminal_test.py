"""Containers at a terminal, used as a person would: through a pseudo-terminal."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import harness
import small_images

PATIENCE_S = 60  # for what is sure to happen, on a machine that has much to do


class User:
    """A program at a terminal of its own, and what it shows there."""

    def __init__(self, *command, rows=30, columns=90):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.screen = b""
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=self._own_terminal)

    def _own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys)

    def _read_some(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.screen += os.read(self.master, 65536)

    def await_text(self, text):
        """Until it was shown; what came before it is forgotten."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.screen:
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {text!r}; but: {self.screen!r}")
            self._read_some(0.2)
        shown, self.screen = self.screen.split(text, 1)
        return shown

    def await_raw(self):
        end = time.monotonic() + PATIENCE_S
        while termios.tcgetattr(self.slave)[3] & termios.ICANON:
            if time.monotonic() > end:
                raise AssertionError("the terminal never became raw")
            self._read_some(0.05)

    def leave(self):
        """Its exit code once it has ended, and all it has shown."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"it does not end: {self.screen!r}")
            self._read_some(0.05)
        while select.select([self.master], [], [], 0)[0]:
            self._read_some(0)
        return self.process.returncode, self.screen

    def is_as_before(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class TerminalTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        applets = [(f"bin/{name}", "-> bin/busybox") for name in ("sleep", "stty", "tty")]
        small_images.write_archive(self.path("box.tar"), "box:latest",
                                   [small_images.busybox_layer(applets)])
        self.store("load", "-i", self.path("box.tar"))
        self.addCleanup(self.remove_containers)

    def remove_containers(self):
        ids = self.store("ps", "-aq").stdout.split()
        if ids:
            self.store("rm", "-f", *ids, check=False)

    def user(self, *arguments, **size):
        user = User(harness.IMAGETOOL, "--root", self.store.root, *arguments, **size)
        self.addCleanup(user.close)
        return user

    def state(self, name):
        return self.store.inspect(name)["State"]

    def test_a_shell_at_a_terminal(self):
        user = self.user("run", "--rm", "-it", "box", "sh")
        user.await_raw()
        user.type(b"echo $TERM; tty; stty size; exit 7\n")
        user.await_text(b"xterm\r\n/dev/pts/")
        user.await_text(b"30 90\r\n")
        self.assertEqual(user.leave()[0], 7)
        self.assertTrue(user.is_as_before())

    def test_the_size_is_followed(self):
        user = self.user("run", "--rm", "-it", "box", "sh", "-c",
                         "trap 'stty size' WINCH; echo up; while :; do sleep 0.1; done")
        user.await_text(b"up")
        user.await_raw()
        user.resize(40, 100)
        user.process.send_signal(signal.SIGWINCH)
        user.await_text(b"40 100")
        user.type(b"\x03")
        self.assertEqual(user.leave()[0], 130)
        self.assertTrue(user.is_as_before())

    def test_keys_reach_the_container_and_not_us(self):
        user = self.user("run", "--rm", "-it", "box", "sh", "-c",
                         "trap 'echo interrupted' INT; echo up; read x; read x; echo last $x")
        user.await_text(b"up")
        user.await_raw()
        user.type(b"\x03")
        user.await_text(b"interrupted")
        user.type(b"word\n")
        user.type(b"word\n")
        user.await_text(b"last word")
        self.assertEqual(user.leave()[0], 0)

    def test_detach_keys_leave_it_running(self):
        user = self.user("run", "-it", "--name", "kept", "box", "sh", "-c", "echo up; read x; exit 3")
        user.await_text(b"up")
        user.await_raw()
        user.type(b"\x10\x11")
        code, screen = user.leave()
        self.assertEqual(code, 0)
        self.assertIn(b"read escape sequence", screen)
        self.assertTrue(user.is_as_before())
        self.assertTrue(self.state("kept")["Running"])
        again = self.user("attach", "kept")
        again.await_raw()
        again.type(b"\n")
        self.assertEqual(again.leave()[0], 3)
        self.assertTrue(again.is_as_before())
        self.assertEqual(self.state("kept")["ExitCode"], 3)
        self.assertEqual(self.store("logs", "kept").stdout.split()[0], "up")

    def test_other_detach_keys(self):
        self.store("run", "-dit", "--name", "kept", "box", "sh")
        user = self.user("attach", "--detach-keys", "ctrl-a,d", "kept")
        user.await_raw()
        user.type(b"\x10\x11echo still here\n")
        user.await_text(b"still here\r\n")
        user.type(b"\x01d")
        self.assertEqual(user.leave()[0], 0)
        self.assertTrue(self.state("kept")["Running"])
        self.assert_fails(self.store("attach", "--detach-keys", "nonsense", "kept", check=False), "TTY")

    def test_two_users_see_the_same(self):
        self.store("run", "-dit", "--name", "shared", "box", "sh")
        users = [self.user("attach", "shared") for _ in range(2)]
        for user in users:
            user.await_raw()
        time.sleep(1)  # both are known to the monitor
        users[0].type(b"echo to=all\n")
        for user in users:
            user.await_text(b"to=all\r\n")
        users[1].type(b"exit 4\n")
        for user in users:
            self.assertEqual(user.leave()[0], 4)
            self.assertTrue(user.is_as_before())

    def test_a_signal_gives_the_terminal_back(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            name = f"kept{number.value}"
            user = self.user("run", "-it", "--name", name, "box", "sh")
            user.await_raw()
            user.process.send_signal(number)
            self.assertEqual(user.leave()[0], 128 + number.value)
            self.assertTrue(user.is_as_before())
            self.assertTrue(self.state(name)["Running"])

    def test_a_killed_monitor_gives_the_terminal_back(self):
        user = self.user("run", "-it", "--cidfile", self.path("cid"), "--name", "lost", "box", "sh")
        user.await_raw()
        with open(os.path.join(self.store.root, "containers", self.store.inspect("lost")["Id"],
                               "state.json"), encoding="utf-8") as file:
            monitor = harness.json.load(file)["monitor"]["pid"]
        os.kill(monitor, signal.SIGKILL)
        code, screen = user.leave()
        self.assertEqual(code, 125)
        self.assertIn(b"the process that watched container lost has ended", screen)
        self.assertTrue(user.is_as_before())
        with open(self.path("cid"), encoding="utf-8") as file:
            self.assertEqual(file.read(), self.store.inspect("lost")["Id"], "it is still there")

    def test_what_cannot_start_gives_the_terminal_back(self):
        user = self.user("run", "--rm", "-it", "--cidfile", self.path("cid"), "box", "/nosuch")
        code, screen = user.leave()
        self.assertFalse(os.path.exists(self.path("cid")))
        self.assertEqual(code, 127)
        self.assertIn(b"/nosuch", screen)
        self.assertTrue(user.is_as_before())

    def test_start_attached(self):
        self.store("create", "-it", "--name", "later", "box", "sh")
        for code in (5, 6):
            user = self.user("start", "-ai", "later")
            user.await_raw()
            user.type(b"exit %d\n" % code)
            self.assertEqual(user.leave()[0], code)
            self.assertTrue(user.is_as_before())

    def test_exec_at_a_terminal(self):
        self.store("run", "-d", "--name", "box1", "box", "sleep", "1000")
        user = self.user("exec", "-it", "box1", "sh")
        user.await_raw()
        user.type(b"tty; stty size; exit 9\n")
        user.await_text(b"/dev/pts/")
        user.await_text(b"30 90\r\n")
        self.assertEqual(user.leave()[0], 9)
        self.assertTrue(user.is_as_before())
        user = self.user("exec", "-it", "box1", "sh")
        user.await_raw()
        user.process.send_signal(signal.SIGTERM)
        self.assertEqual(user.leave()[0], 143)
        self.assertTrue(user.is_as_before())
        self.assertTrue(self.state("box1")["Running"])

    def test_no_terminal_is_no_input_device(self):
        for command in (("run", "--rm", "-it", "box", "true"), ("create", "-it", "--name", "c1", "box")):
            if command[0] == "create":
                self.store(*command)
                command = ("start", "-ai", "c1")
            result = self.store(*command, check=False, stdin=subprocess.DEVNULL)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("the input device is not a TTY", result.stderr)

    def test_the_container_does_not_get_our_terminal(self):
        user = self.user("run", "--rm", "-it", "box", "sh", "-c", "tty; exit")
        shown = user.leave()[1]
        self.assertIn(b"/dev/pts/0", shown)


if __name__ == "__main__":
    if not os.path.exists("/bin/busybox"):
        harness.skip_program("needs busybox-static")
    harness.main()
