#!/usr/bin/env python3
"""The terminal of `run` and `exec` without a console socket: what becomes of output that nobody takes at once."""
import os
import select
import signal
import subprocess

import harness
from runner_bundle import RUNNER, RunnerTestCase, wait_until

PATIENCE = 60
# Much more than a terminal holds.
MOST = 16 << 20


class TerminalTest(RunnerTestCase):

    def popen(self, *arguments, stdout):
        process = subprocess.Popen([RUNNER, "--root", self.path("states"), *arguments], stdin=subprocess.DEVNULL,
                                   stdout=stdout, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def pipe(self):
        """Read from Python; the other end does not wait."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        return reader, writer

    def write_terminal_config(self, *command, terminal=True):
        config = self.config(*command)
        config["process"]["terminal"] = terminal
        config["root"]["readonly"] = False
        self.write(config)

    def start_writable_box(self):
        self.write_terminal_config("sleep", "1000000", terminal=False)
        self.detached("run", "--detach", "--bundle", self.bundle, "box")

    @staticmethod
    def wait_until_full(writer):
        wait_until(lambda: not select.select([], [writer], [], 0)[1], "the pipe is full")

    @staticmethod
    def read_all(reader):
        text = b""
        while piece := os.read(reader, 1 << 20):
            text += piece
        return text

    def test_lines_end_as_they_were_written(self):
        """Also what the process writes before anybody can have noticed that it runs."""
        self.write_terminal_config("echo", "word")
        for _ in range(20):
            box = self.popen("run", "--bundle", self.bundle, "box", stdout=subprocess.PIPE)
            self.assertEqual(box.communicate(timeout=PATIENCE), (b"word\n", b""))
        self.start_writable_box()
        for _ in range(20):
            command = self.popen("exec", "--tty", "box", "echo", "word", stdout=subprocess.PIPE)
            self.assertEqual(command.communicate(timeout=PATIENCE), (b"word\n", b""))

    def test_a_full_pipe_that_does_not_wait_loses_nothing(self):
        self.write_terminal_config("sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i: $(( i * 7919 )) "
                                               "------------------------------------------; i=$((i+1)); done; exit 3")
        reader, writer = self.pipe()
        box = self.popen("run", "--bundle", self.bundle, "box", stdout=writer)
        self.wait_until_full(writer)
        os.close(writer)
        lines = self.read_all(reader).decode().splitlines()
        self.assertEqual(box.wait(PATIENCE), 3, box.stderr.read())
        self.assertEqual([line.split(":")[0] for line in lines], [str(i) for i in range(3000)])

    def test_what_the_process_left_is_written(self):
        """More than the pipe holds, by a process that has ended."""
        self.start_box()
        reader, writer = self.pipe()
        box = self.popen("exec", "-t", "box", "sh", "-c", "head -c 66000 /dev/zero; echo end; exit 3", stdout=writer)
        self.wait_until_full(writer)
        os.close(writer)
        text = self.read_all(reader)
        self.assertEqual(box.wait(PATIENCE), 3, box.stderr.read())
        self.assertTrue(text.rstrip().endswith(b"end"), text[-20:])
        self.assertEqual(text.count(b"\0"), 66000)

    def test_without_a_reader_the_container_gets_on(self):
        self.write_terminal_config("sh", "-c", "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done; "
                                               "echo got on > /home/mark; exit 7")
        reader, writer = os.pipe()
        os.close(reader)
        box = self.popen("run", "--bundle", self.bundle, "box", stdout=writer)
        os.close(writer)
        self.assertEqual(box.wait(PATIENCE), 7)
        self.assertEqual(box.stderr.read(), b"")
        self.assertTrue(os.path.exists(self.path("bundle", "rootfs/home/mark")))

    def test_who_keeps_writing_does_not_keep_it(self):
        """Faster than it is read: there is always more. It opens the terminal again: the end of the first process has
        hung it up."""
        self.start_box()
        box = self.popen("exec", "-t", "box", "sh", "-c",
                         "tty=$(tty); trap '' HUP; while :; do cat /dev/zero > $tty; done & head -c 70000 /dev/zero; exit 3",
                         stdout=subprocess.PIPE)
        with box.stdout:
            size = 0
            while (piece := os.read(box.stdout.fileno(), 256)) and size < MOST:
                size += len(piece)
            self.assertLess(size, MOST, "it goes on")
        self.assertEqual(box.wait(PATIENCE), 3, box.stderr.read())

    def test_a_signal_ends_the_wait_for_a_reader(self):
        self.start_writable_box()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        box = self.popen("exec", "-t", "box", "sh", "-c", "head -c 70000 /dev/zero; echo done > /home/done; exit 3",
                         stdout=writer)
        os.close(writer)
        done = self.path("bundle", "rootfs/home/done")
        wait_until(lambda: os.path.exists(done) and len(self.container_processes()) == 1, "it has ended")
        box.send_signal(signal.SIGTERM)
        self.assertEqual(box.wait(PATIENCE), 3, box.stderr.read())

    def container_processes(self):
        return self.runner("ps", "--format", "json", "box").stdout.strip("[]\n").split(",")


if __name__ == "__main__":
    harness.main()
