"""Containers at a real terminal: a shell in tmux, typed at and looked at as a person would."""
import os
import shutil
import subprocess
import time

import harness
import small_images

PATIENCE_S = 60  # for what is sure to happen, on a machine that has much to do


class Screen:
    """A shell with job control in a terminal of tmux, on a server of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = os.path.join(directory, "tmux")
        self.environment = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TMUX_PANE")}
        self.environment.update(LC_ALL="C.UTF-8", HISTFILE="/dev/null", IT=harness.IMAGETOOL)

    def open(self, rows=30, columns=90):
        start = os.path.join(self.directory, "bashrc")
        with open(start, "w", encoding="utf-8") as file:
            file.write("PS1='host> '\n")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  f"bash --rcfile {start}", ";", "set", "-g", "status", "off")
        self.await_line("host>")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def lines(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines()]

    def await_screen(self, is_as_wanted, what):
        end = time.monotonic() + PATIENCE_S
        while not is_as_wanted(self.lines()):
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {what}; but:\n" + "\n".join(self.lines()))
            time.sleep(0.05)

    def await_line(self, line, times=1):
        self.await_screen(lambda lines: lines.count(line) >= times, f"{line!r} {times} times")

    def await_prompt(self, prompt):
        self.await_screen(lambda lines: [line for line in lines if line][-1:] == [prompt], f"{prompt} at the end")

    def await_text(self, text):
        self.await_screen(lambda lines: any(text in line for line in lines), repr(text))

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def enter(self, text):
        self.type(text)
        self.keys("Enter")

    def clear(self, prompt):
        """Nothing but a prompt is left, so that what is awaited next is new."""
        self.enter("clear" if prompt == "host>" else "printf '\\033[2J\\033[H'")
        self.await_screen(lambda lines: [line for line in lines if line] == [prompt], "an empty screen")

    def resize(self, rows, columns):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.environment, check=False,
                       capture_output=True)


class TmuxTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        names = ("cat", "less", "printf", "seq", "sh", "sleep", "stty", "top", "vi")
        applets = [(f"bin/{name}", "-> bin/busybox") for name in names if name not in ("sh", "cat")]
        small_images.write_archive(self.path("box.tar"), "box:latest",
                                   [small_images.busybox_layer(applets)])
        self.store("load", "-i", self.path("box.tar"))
        self.addCleanup(self.remove_containers)
        self.screen = Screen(self.dir)
        self.addCleanup(self.screen.close)
        self.screen.open()
        self.tool = f"$IT --root {self.store.root}"

    def remove_containers(self):
        ids = self.store("ps", "-aq").stdout.split()
        if ids:
            self.store("rm", "-f", *ids, check=False)

    def enter_box(self, how):
        """A shell in a container by `run` or `exec`; it ends by itself when the test does."""
        if how == "run":
            self.screen.enter(f"{self.tool} run --rm -it -e PS1='box> ' box sh")
        else:
            self.store("run", "-d", "--name", "kept", "box", "sleep", "1000")
            self.screen.enter(f"{self.tool} exec -it -e PS1='box> ' kept sh")
        self.screen.await_line("box>")

    def for_both(self, test):
        for how in ("run", "exec"):
            with self.subTest(how=how):
                self.screen.clear("host>")
                self.enter_box(how)
                test(self.screen)
                self.leave_box()
                self.remove_containers()

    def leave_box(self):
        """The user's terminal is as it was: its line editor works, and it echoes."""
        self.screen.clear("box>")
        self.screen.enter("exit 9")
        self.screen.await_text("host>")
        self.screen.enter("echo left $?; stty -a | grep -o -e ' icanon' -e ' echo ' | tr -d ' \\n'; echo")
        self.screen.await_line("left 9")
        self.screen.await_line("icanonecho")

    def test_job_control_and_the_keys_that_end(self):
        def work(screen):
            # What is typed before the shell has given its line editor up would not be a line.
            screen.enter("echo first; cat")
            screen.await_line("first")
            screen.enter("hello")
            screen.await_line("hello", times=2)
            screen.keys("C-z")
            screen.await_text("Stopped")
            screen.await_prompt("box>")
            screen.enter("fg")
            screen.await_line("cat")
            screen.enter("again")
            screen.await_line("again", times=2)
            screen.keys("C-d")
            screen.await_prompt("box>")
            screen.clear("box>")
            screen.enter("echo second; cat")
            screen.await_line("second")
            screen.enter("more")
            screen.await_line("more", times=2)
            screen.keys("C-c")
            screen.await_prompt("box>")
            screen.enter("echo code $?")
            screen.await_line("code 130")
        self.for_both(work)

    def test_the_size_of_the_window(self):
        def work(screen):
            screen.enter("while :; do stty size; sleep 0.1; done")
            screen.await_line("30 90")
            screen.resize(40, 100)
            screen.await_line("40 100")
            screen.resize(30, 90)
            screen.await_screen(lambda lines: lines[-3:].count("30 90") > 1, "the old size")
            screen.keys("C-c")
            screen.await_prompt("box>")
        self.for_both(work)

    def test_programs_that_take_the_whole_screen(self):
        def work(screen):
            screen.enter("vi /etc/note")
            screen.await_screen(lambda lines: lines.count("~") > 20, "an empty file")
            screen.type("itext that was typed")
            screen.await_line("text that was typed")
            screen.keys("Escape")
            screen.await_screen(lambda lines: lines[-1].startswith("- "), "that nothing is inserted any more")
            screen.enter(":wq")
            screen.await_prompt("box>")
            screen.clear("box>")
            screen.enter("cat /etc/note")
            screen.await_line("text that was typed")
            screen.enter("seq 500 > /etc/numbers; less /etc/numbers")
            screen.await_screen(lambda lines: lines[0] == "1" and lines[28] == "29", "the first page")
            screen.type(" ")
            screen.await_screen(lambda lines: lines[28] == "58", "the second page")
            screen.type("q")
            screen.await_prompt("box>")
            screen.enter("top")
            screen.await_text("Load average:")
            screen.await_screen(lambda lines: any(line.endswith("top") for line in lines), "itself")
            screen.type("q")
            screen.await_prompt("box>")
        self.for_both(work)

    def test_who_leaves_can_come_back(self):
        screen = self.screen
        screen.enter(f"{self.tool} run --name left -it -e PS1='box> ' box sh")
        screen.await_prompt("box>")
        screen.keys("C-p", "C-q")
        screen.await_text("read escape sequence")
        screen.await_prompt("host>")
        self.assertTrue(self.store.inspect("left")["State"]["Running"])
        screen.enter(f"{self.tool} attach left")
        screen.keys("Enter")
        screen.await_prompt("box>")
        self.leave_box()

    def test_a_suspended_client_is_in_nobodys_way(self):
        screen = self.screen
        self.store("run", "-d", "--name", "kept", "box", "sleep", "1000")
        screen.enter(f"{self.tool} exec kept sh -c 'echo up; sleep 1000'")
        screen.await_line("up")
        screen.keys("C-z")
        screen.await_text("Stopped")
        self.store("rm", "-f", "kept", timeout=PATIENCE_S)
        screen.clear("host>")
        screen.enter("fg; echo left $?")
        screen.await_line("left 137")


if __name__ == "__main__":
    if shutil.which("tmux") is None:
        harness.skip_program("needs tmux")
    if not os.path.exists("/bin/busybox"):
        harness.skip_program("needs busybox-static")
    harness.main()
