"""Package managers at work in a container, its root mounted by each backend: the commits are equal."""
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import time

import harness

LAYOUT = os.environ["DEBIAN_LAYOUT"]
FILES = 300
# What differs between two runs on one file system: times in logs, and caches of inode numbers.
VOLATILE = ("/var/log/apt", "/var/log/dpkg.log", "/var/log/alternatives.log",
            "/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin", "/var/cache/ldconfig/aux-cache")
# As setcap(8) and setfacl(1) store them: cap_net_raw=ep; u::rw-,u:daemon:r--,g::r--,m::r--,o::r--.
CAPABILITY = "0100000200200000000000000000000000000000"
ACL = ("02000000" "01000600ffffffff" "0200040001000000" "04000400ffffffff" "10000400ffffffff" "20000400ffffffff")
# Files of the image that have several names are left alone: to overlayfs they are several files
# after a change, to the FUSE union one.
SCRIPT = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
echo 'deb [trusted=yes] file:/packages/1 ./' > /etc/apt/sources.list
apt-get update -q
apt-get install -q -y many-files
many-files
test -u /usr/bin/many-files
echo 'deb [trusted=yes] file:/packages/2 ./' > /etc/apt/sources.list
apt-get update -q
apt-get upgrade -q -y
test -e /usr/share/many-files/new && test ! -e /usr/share/many-files/0
python3 -c '
import os
os.setxattr("/etc/debian_version", "user.note", b"a note")
os.setxattr("/usr/share/base-files", "user.note", b"on a directory")
os.setxattr("/usr/bin/tail", "security.capability", bytes.fromhex("{CAPABILITY}"))
os.setxattr("/etc/issue", "system.posix_acl_access", bytes.fromhex("{ACL}"))
os.mkdir("/srv/" + "n" * 240)
open(b"/srv/no text \\xff", "w").close()
'
dpkg --purge python3-minimal python3.11-minimal libpython3.11-minimal 2>&1
test ! -e /usr/bin/python3.11
cp /usr/bin/id /usr/local/bin/id-of-root
chmod 4755 /usr/local/bin/id-of-root
perl -e '($<, $>) = (1, 1); exec "/usr/local/bin/id-of-root", "-u"' | grep -qx 0
mknod /srv/null c 1 3 && echo x > /srv/null
mkfifo /srv/pipe
truncate -s 1M /srv/sparse && echo end >> /srv/sparse
touch -h -d @1700000000.123456789 /etc/alternatives/awk
touch -d @1700000000.123456789 /etc/issue.net
ln /usr/share/many-files/1 /srv/linked
ln /etc/debian_version /srv/version
mv /etc/issue /srv/issue
chmod 4711 /usr/bin/sort
chown -R daemon:daemon /usr/share/zoneinfo /usr/share/perl5 2>/dev/null || true
mv /usr/share/common-licenses /srv/licenses 2>/dev/null || cp -a /usr/share/common-licenses /srv/licenses
rm -rf /usr/lib/apt/methods && mkdir /usr/lib/apt/methods && echo x > /usr/lib/apt/methods/http
rm -rf {" ".join(VOLATILE)}
"""


class Repository:
    """A directory of packages that apt-get reads as a source. What is in them has fixed times."""

    def __init__(self, directory):
        self._directory = directory
        self._index = ""
        os.makedirs(directory)

    def add(self, control, build):
        """`build` fills the root of a package."""
        root = os.path.join(self._directory, "root")
        os.makedirs(os.path.join(root, "DEBIAN"))
        with open(os.path.join(root, "DEBIAN/control"), "w", encoding="utf-8") as file:
            file.write(control)
        build(root)
        for directory, _, names in os.walk(root, topdown=False):
            for name in names + ["."]:
                os.utime(os.path.join(directory, name), (1_600_000_000, 1_600_000_000), follow_symlinks=False)
        name = control.splitlines()[0].removeprefix("Package: ") + ".deb"
        package = os.path.join(self._directory, name)
        harness.run("dpkg-deb", "--build", "--root-owner-group", root, package)
        shutil.rmtree(root)
        with open(package, "rb") as file:
            data = file.read()
        self._index += (f"{control}Filename: ./{name}\nSize: {len(data)}\n"
                        f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")

    def close(self):
        path = os.path.join(self._directory, "Packages")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._index)
        os.utime(path, (1_600_000_000, 1_600_000_000))


def control_of(name, version, *more):
    lines = [f"Package: {name}", f"Version: {version}", "Architecture: all", "Description: many files",
             "Maintainer: Nobody <nobody@example.org>", *more]
    return "\n".join(lines) + "\n"


def fill_data(root, files):
    share = os.path.join(root, "usr/share/many-files")
    os.makedirs(share)
    for name, content in files.items():
        with open(os.path.join(share, name), "w", encoding="utf-8") as file:
            file.write(content)
    os.link(os.path.join(share, "1"), os.path.join(share, "one"))
    os.symlink("1", os.path.join(share, "first"))


def fill_program(root):
    """A set-user-ID program and a maintainer script."""
    os.makedirs(os.path.join(root, "usr/bin"))
    for path, mode, lines in (
            ("usr/bin/many-files", 0o4755, f"test $(ls /usr/share/many-files | wc -l) -ge {FILES}\n"),
            ("DEBIAN/postinst", 0o755, "set -e\nmkdir -p /var/lib/many-files\n"
                                       "echo configured > /var/lib/many-files/state\n"
                                       "chown daemon:daemon /var/lib/many-files/state\n")):
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + lines)
        os.chmod(os.path.join(root, path), mode)


def make_repository(directory, version, files):
    repository = Repository(directory)
    repository.add(control_of("many-files", version, f"Depends: many-files-data (= {version})"), fill_program)
    repository.add(control_of("many-files-data", version), lambda root: fill_data(root, files))
    repository.close()


def read_layout(layout):
    """(config, tar of the last layer) of the only image in an OCI layout."""
    def blob(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as file:
            return file.read()

    with open(os.path.join(layout, "index.json"), "rb") as file:
        descriptor, = json.load(file)["manifests"]
    manifest = json.loads(blob(descriptor["digest"]))
    data = blob(manifest["layers"][-1]["digest"])
    return (json.loads(blob(manifest["config"]["digest"])),
            gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def entries(tar, start):
    """All that a layer says about each name. A time since `start` is that of when a command ran. One
    of several names of a file is the one with the contents; which one does not matter."""
    found, names_of = {}, {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for info in archive:
            name = info.name.removeprefix("./").rstrip("/")
            if info.islnk():
                target = info.linkname.removeprefix("./")
                found[name] = found[target]
                names_of[target].append(name)
                continue
            record = {"type": info.type, "mode": oct(info.mode), "uid": info.uid, "gid": info.gid,
                      "size": info.size, "target": info.linkname, "device": (info.devmajor, info.devminor),
                      "mtime": info.pax_headers.get("mtime", str(info.mtime)) if info.mtime < start else "new",
                      "xattrs": {k: v for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr.")}}
            if info.isreg():
                record["sha256"] = hashlib.sha256(archive.extractfile(info).read()).hexdigest()
            found[name] = record
            names_of[name] = [name]
    for names in names_of.values():
        for name in names:
            found[name] = {**found[name], "links": sorted(names)}
    return found


class MountBackendsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        first = {str(i): f"file {i}\n" * (i + 1) for i in range(FILES)}
        second = {**first, "new": "new\n", "7": "changed\n"}
        del second["0"]
        make_repository(self.path("packages", "1"), "1", first)
        make_repository(self.path("packages", "2"), "2", second)
        self.start = int(time.time())

    def commit_of(self, driver, backend):
        """(configuration, what the last layer says, output of diff) of a commit after the script ran."""
        store = harness.Store(self.path(driver))
        if not os.path.exists(store.root):
            store("--driver", driver, "load", "-q", "-i", LAYOUT)
        image, = store.image_ids()
        store("run", "--name", "work", "--mount-backend", backend, "-v", self.path("packages") + ":/packages:ro",
              image, "sh", "-c", SCRIPT)
        self.assertEqual(store.inspect("work")["MountBackend"], backend)
        self.assertEqual(store("check", "--deep").stdout, "No findings.\n")
        name = f"{driver}-{backend}:1"
        store("commit", "work", name)
        layout = self.path(f"{driver}-{backend}")
        store("save", "--format", "oci-dir", "-o", layout, name)
        diff = store("diff", "work").stdout
        store("rm", "work")
        # What was committed runs, too.
        shown = store("run", "--rm", "--mount-backend", backend, name, "sh", "-c",
                      "cat /usr/share/many-files/7 /var/lib/many-files/state; dpkg --audit")
        self.assertEqual(shown.stdout, "changed\nconfigured\n")
        store("rmi", name)
        config, layer = read_layout(layout)
        return config["config"], entries(layer, self.start), diff

    def check_script_did_all(self, layer):
        """Else equal layers would say little."""
        self.assertIn("usr/share/many-files/7", layer)
        self.assertIn("usr/bin/.wh.python3.11", layer)
        self.assertGreater(sum(1 for name in layer if ".wh." in name), 10)
        self.assertIn("SCHILY.xattr.user.note", layer["etc/debian_version"]["xattrs"])
        self.assertIn("SCHILY.xattr.security.capability", layer["usr/bin/tail"]["xattrs"])
        self.assertIn("SCHILY.xattr.system.posix_acl_access", layer["srv/issue"]["xattrs"])
        self.assertEqual(layer["srv/linked"]["links"],
                         ["srv/linked", "usr/share/many-files/1", "usr/share/many-files/one"])
        self.assertEqual(layer["etc/issue.net"]["mtime"], "1700000000.123456789")

    def test_the_commit_is_the_one_made_on_kernel_overlay(self):
        wanted_config, wanted, wanted_diff = self.commit_of("overlay2", "overlay")
        self.check_script_did_all(wanted)
        for driver in ("overlay2", "aufs"):
            with self.subTest(driver=driver):
                config, found, diff = self.commit_of(driver, "fuse")
                self.assertEqual(harness.tree_differences(wanted, found), "")
                self.assertEqual(config, wanted_config)
                self.assertEqual(diff, wanted_diff)
                self.assertEqual(harness.mounts_below(self.dir), [])


if __name__ == "__main__":
    if not shutil.which("dpkg-deb"):
        harness.skip_program("dpkg-deb is not installed")
    if not os.path.exists("/dev/fuse"):
        harness.skip_program("there is no /dev/fuse")
    harness.main()
