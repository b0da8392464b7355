"""A real Debian image of four layers through the whole main job, judged by other tools."""
import hashlib
import json
import os
import shutil
import tarfile

import harness
import reference_unpack

LAYOUT = os.environ["DEBIAN_LAYOUT"]


def layout_blob(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def layout_image(layout):
    """(config bytes, manifest) of the only image in an OCI layout."""
    with open(os.path.join(layout, "index.json"), "rb") as file:
        descriptor, = json.load(file)["manifests"]
    with open(layout_blob(layout, descriptor["digest"]), "rb") as file:
        manifest = json.load(file)
    with open(layout_blob(layout, manifest["config"]["digest"]), "rb") as file:
        return file.read(), manifest


class DebianImageTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.config, self.manifest = layout_image(LAYOUT)
        self.image_id = "sha256:" + hashlib.sha256(self.config).hexdigest()
        self.diff_ids = json.loads(self.config)["rootfs"]["diff_ids"]

    def load(self):
        output = self.store("load", "-i", LAYOUT).stdout
        self.assertIn("debian", output)
        self.assertEqual(self.store.image_ids(), [self.image_id])

    def test_the_mounted_tree_is_what_gnu_tar_unpacks(self):
        self.load()
        reference = self.path("reference")
        os.mkdir(reference)
        for layer in self.manifest["layers"]:
            tar = self.path("layer.tar")
            with open(tar, "wb") as file:
                harness.subprocess.run(
                    ["gzip", "-dc", layout_blob(LAYOUT, layer["digest"])], stdout=file, check=True)
            reference_unpack.apply_layer(tar, reference)
        mounted = self.mounted(self.image_id)
        self.assertEqual(
            harness.tree_differences(harness.tree(reference), harness.tree(mounted)), "")

    def test_run_write_diff_commit_save_and_other_tools_accept_it(self):
        self.load()
        script = ("import os; print(sum(range(10))); os.mkdir('/srv/made', 0o750); "
                  "open('/srv/made/file', 'w').write('made'); os.remove('/etc/motd'); "
                  "open('/etc/hostname-note', 'w').write(open('/etc/hostname').read())")
        ran = self.store("run", "--name", "worker", self.image_id, "python3", "-c", script)
        self.assertEqual(ran.stdout, "45\n")
        changes = self.store("diff", "worker").stdout.splitlines()
        for line in ["C /srv", "A /srv/made", "A /srv/made/file", "D /etc/motd", "C /etc",
                     "A /etc/hostname-note"]:
            self.assertIn(line, changes)
        for line in changes:
            self.assertNotIn("/etc/hosts", line.split())
        committed = self.store("commit", "-m", "a note", "worker", "debian:committed")
        committed_id = committed.stdout.strip()
        found = self.store.inspect("debian:committed")
        self.assertEqual(found["Id"], committed_id)
        self.assertEqual(found["RootFS"]["Layers"][:4], self.diff_ids)
        self.assertEqual(len(found["RootFS"]["Layers"]), 5)
        self.check_run_of_commit()
        self.check_docker_archive(found)
        self.check_oci_archive(found)
        self.check_oci_dir(found)

    def check_run_of_commit(self):
        shown = self.store("run", "--rm", "debian:committed", "sh", "-c",
                           "cat /srv/made/file; test ! -e /etc/motd && echo gone; perl -e 'print 6*7'")
        self.assertEqual(shown.stdout, "madegone\n42")

    def check_docker_archive(self, image):
        archive = self.path("saved.tar")
        self.store("save", "-o", archive, "debian:committed")
        with tarfile.open(archive) as saved:
            manifest, = json.load(saved.extractfile("manifest.json"))
            config = saved.extractfile(manifest["Config"]).read()
            digests = []
            for layer in manifest["Layers"]:
                data = saved.extractfile(layer).read()
                digests.append("sha256:" + hashlib.sha256(data).hexdigest())
        self.assertEqual("sha256:" + hashlib.sha256(config).hexdigest(), image["Id"])
        self.assertEqual(digests, image["RootFS"]["Layers"])
        self.check_skopeo(f"docker-archive:{archive}", image)
        self.check_podman(archive, image)
        layout = self.path("from-docker-archive")
        harness.run("skopeo", "copy", "-q", f"docker-archive:{archive}", f"oci:{layout}:x")
        self.check_umoci(layout, "x")

    def check_oci_archive(self, image):
        archive = self.path("saved.oci.tar")
        self.store("save", "--format", "oci-archive", "-o", archive, "debian:committed")
        self.check_skopeo(f"oci-archive:{archive}", image)
        self.check_podman(archive, image)

    def check_oci_dir(self, image):
        layout = self.path("saved-layout")
        self.store("save", "--format", "oci-dir", "-o", layout, "debian:committed")
        config, _ = layout_image(layout)
        self.assertEqual("sha256:" + hashlib.sha256(config).hexdigest(), image["Id"])
        self.check_skopeo(f"oci:{layout}", image)
        with open(os.path.join(layout, "index.json"), "rb") as file:
            descriptor = json.load(file)["manifests"][0]
        tag = descriptor["annotations"]["org.opencontainers.image.ref.name"]
        self.check_umoci(layout, tag)

    def check_skopeo(self, source, image):
        config = json.loads(harness.run("skopeo", "inspect", "--config", "--raw", source).stdout)
        self.assertEqual(config["rootfs"]["diff_ids"], image["RootFS"]["Layers"])
        raw = harness.run("skopeo", "inspect", "--config", "--raw", source).stdout.encode()
        self.assertEqual("sha256:" + hashlib.sha256(raw).hexdigest(), image["Id"])

    def check_podman(self, archive, image):
        podman = ["podman", "--root", self.path("podman"), "--runroot", self.path("podman-run"),
                  "--storage-driver", "vfs", "--events-backend", "none"]
        try:
            harness.run(*podman, "load", "-i", archive)
            shown = json.loads(harness.run(*podman, "image", "inspect", "--format", "json",
                                           image["Id"][7:]).stdout)
            found = shown[0] if isinstance(shown, list) else shown
            self.assertEqual("sha256:" + found["Id"], image["Id"])
            self.assertEqual(found["RootFS"]["Layers"], image["RootFS"]["Layers"])
        finally:
            harness.run(*podman, "rmi", "-af", check=False)
            shutil.rmtree(self.path("podman"), ignore_errors=True)

    def check_umoci(self, layout, tag):
        bundle = self.path("bundle-" + os.path.basename(layout))
        harness.run("umoci", "unpack", "--image", f"{layout}:{tag}", bundle)
        mounted = self.mounted("debian:committed")
        wanted, found = harness.tree(os.path.join(bundle, "rootfs")), harness.tree(mounted)
        self.assertEqual(harness.tree_differences(wanted, found), "")
        self.store("unmount", "debian:committed")
        shutil.rmtree(bundle)


if __name__ == "__main__":
    for tool in ["umoci", "skopeo", "podman"]:
        if not shutil.which(tool):
            harness.skip_program(f"{tool} is not installed")
    harness.main()
