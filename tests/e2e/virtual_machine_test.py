"""What the kernel of Debian 12 and the unified cgroup hierarchy make different, in a virtual machine.

A host has one kernel and shows one hierarchy only. The machine is emulated (no KVM needed) and boots
from memory: the program, some tests of the libraries, what they are linked to, and a small image.
"""
import compileall
import glob
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig

import demo_image
import harness

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = "qemu-system-x86_64"
TESTS = os.environ.get("GUEST_TESTS", "").split()
# Prints the files of all modules that the program which is its argument imports.
LIST_MODULES = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2])
import concurrent.futures.thread
print(*[m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)], sep="\\n")
"""


class Guest:
    """What boots: a kernel and a directory that becomes its first file system."""

    def __init__(self, directory):
        self.directory = directory
        self.root = os.path.join(directory, "root")
        for name in ("bin", "tests", "usr/bin", "new", "proc"):
            os.makedirs(os.path.join(self.root, name))

    def unpack(self, package):
        """The directory with the files of Debian's package, which is not installed."""
        harness.run("apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", package, cwd=self.directory)
        package_file, = glob.glob(os.path.join(self.directory, package + "_*.deb"))
        tree = os.path.join(self.directory, package)
        harness.run("dpkg-deb", "-x", package_file, tree)
        return tree

    def fetch_kernel(self):
        """Debian's kernel for virtual machines."""
        meta = harness.run("apt-cache", "depends", "linux-image-cloud-amd64").stdout
        package, = re.findall(r"Depends: (linux-image-[0-9]\S+)", meta)[:1]
        tree = self.unpack(package)
        self.kernel, = glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))
        for module in glob.glob(os.path.join(tree, "lib/modules/*/kernel/fs/overlayfs/overlay.ko")):
            shutil.copy(module, self.root)

    def add_program(self, path, place="bin"):
        """A program with the libraries it is linked to."""
        target = os.path.join(self.root, place, os.path.basename(path))
        harness.run("strip", "-o", target, path)
        self.add_libraries(path)

    def add_libraries(self, path):
        # A static program has none, which ldd calls an error.
        for library in re.findall(r"(/\S+) \(0x", harness.run("ldd", path, check=False).stdout):
            is_usual = library.startswith(("/lib", "/usr/lib"))
            copy = self.root + (library if is_usual else os.path.join("/usr/lib", os.path.basename(library)))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(os.path.realpath(library), copy)

    def add_file(self, path, name=None):
        shutil.copy(path, os.path.join(self.root, name or os.path.basename(path)))

    def add_python_program(self, name):
        """One of the programs beside this one as /python/NAME.py, the interpreter as /bin/python3, and the modules."""
        self.add_program(os.path.realpath(sys.executable))
        os.symlink(os.path.basename(os.path.realpath(sys.executable)), os.path.join(self.root, "bin", "python3"))
        library = sysconfig.get_path("stdlib")
        place = f"python/lib/python{sysconfig.get_python_version()}"
        files = harness.run(sys.executable, "-c", LIST_MODULES, HERE, name).stdout.split()
        for file in files:
            below = place if file.startswith(library + "/") else "python"
            target = os.path.join(self.root, below, os.path.relpath(file, library if below == place else HERE))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(file, target)
            if file.endswith(".so"):
                self.add_libraries(file)
        compileall.compile_dir(os.path.join(self.root, "python"), quiet=1,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)

    def boot(self):
        """Runs it to its end; gives what the console shows between the marks."""
        shutil.copy(shutil.which("busybox"), os.path.join(self.root, "bin", "busybox"))
        shutil.copy(os.path.join(HERE, "guest_init.sh"), os.path.join(self.root, "init"))
        self.add_file(os.path.join(HERE, "guest_init.sh"))
        os.chmod(os.path.join(self.root, "init"), 0o755)
        os.chmod(os.path.join(self.root, "guest_init.sh"), 0o755)
        image = os.path.join(self.directory, "initramfs")
        harness.run("sh", "-c", f"find . | cpio --quiet -o -H newc > '{image}'", cwd=self.root)
        console = subprocess.run(
            [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nic", "none",
             "-nographic", "-no-reboot", "-kernel", self.kernel, "-initrd", image,
             "-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=True)
        text = console.stdout.decode(errors="replace").replace("\r", "")
        begin, end = text.find("=== begin\n"), text.find("=== end\n")
        if begin < 0 or end < 0:
            raise AssertionError(f"the virtual machine did not get to its end:\n{text[-4000:]}")
        return text[begin + len("=== begin\n"):end]


class VirtualMachineTest(harness.TestCase):
    def test_limits_and_mounts(self):
        guest = Guest(self.path("guest"))
        guest.fetch_kernel()
        guest.add_program(harness.IMAGETOOL)
        guest.add_program(os.environ["RUNNER"])
        guest.add_program(os.path.join(guest.unpack("apparmor"), "sbin", "apparmor_parser"))
        for program in TESTS:
            guest.add_program(program, "tests")
        guest.add_file(demo_image.archive(), "demo.tar")
        guest.add_program(os.environ["FAIL_AT_SYSCALL"])
        guest.add_python_program("runner_faults_test")
        guest.add_file(os.path.join(HERE, "guest_test.sh"))
        console = guest.boot()
        found = dict(re.findall(r"^result ([a-z_-]+): ?(.*)$", console, re.MULTILINE))
        self.assertIn("memory", found.get("controllers", ""), console)
        self.assertEqual(found["version"], "2", console)
        self.assertEqual((found["memory-exit"], found["memory-oom"]), ("137", "true"), console)
        # The shell's string growth holds the old and the new copy for a moment.
        self.assertGreater(int(found["memory-steps"]), 5, console)
        self.assertLess(int(found["memory-steps"]), 31, console)
        # 512 shares are this weight by the formula of runc 1.3; swap is what is left of memory-swap.
        memory, swap, *cpu, pids = found["limits"].split()
        self.assertEqual((memory, swap, pids), (str(64 << 20), str(32 << 20), "33"), console)
        self.assertEqual(cpu[:2], ["50000", "100000"], console)
        self.assertEqual(cpu[2], "59", console)
        self.assertTrue(all(int(count) <= 20 for count in found["pids-count"].split()), console)
        self.assertGreater(int(found["pids-refused"]), 0, console)
        self.assertGreater(int(found["cpu-throttled"].split()[1]), 5, console)
        self.assertEqual(found["apparmor-profile"], "layerkit-test (enforce)", console)
        self.assertEqual(found["apparmor-denied"], "touch: /tmp/denied: Permission denied", console)
        self.assertEqual(found["apparmor-exec"], "layerkit-test (enforce)", console)
        self.assertIn("setting AppArmor profile 'no-such-profile': No such file or directory",
                      found["apparmor-unknown"], console)
        self.assertEqual(found["runner-cgroup"], "33 50000 100000", console)
        self.assertEqual(found["runner-inheritable"], "CapInh: 0000000000000000", console)
        self.assertEqual(found["apparmor-other-proc"], "layerkit-test (enforce)", console)
        self.assertIn("the container's '/proc' is not one", found["apparmor-no-proc"], console)
        # Calls that only the unified hierarchy has, or has otherwise.
        self.assertEqual(found["faults-exit"], "0", console)
        self.assertGreater(int(found["faults-runs"]), 20, console)
        for program in TESTS:
            name = os.path.basename(program)
            failed = found.get("failed-of-" + name) or "none named, see the end of its output"
            self.assertEqual(found["exit-of-" + name], "0", f"failed tests of {name}: {failed}\n{console}")
        self.assertEqual((found["leftover-cgroups"], found["leftover-mounts"]), ("0", "0"), console)


if __name__ == "__main__":
    if platform.machine() != "x86_64":
        harness.skip_program("the virtual machine is an x86-64")
    if shutil.which(QEMU) is None:
        harness.skip_program(f"needs {QEMU}")
    harness.main()
