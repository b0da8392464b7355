"""Every archive of the corpus: what loads equals its own config and what GNU tar unpacks."""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

import harness
import reference_unpack

CORPUS = os.environ.get("LAYERKIT_CORPUS")

# Images, by path below the corpus. Everything else must be refused with one line that says why.
IMAGES = [
    "dive/test-docker-image.tar",
    "dive/test-kaniko-image.tar",
    "dive/test-oci-estargz-image.tar",
    "dive/test-oci-gzip-image.tar",
    "dive/test-oci-uncompressed-image.tar",
    "dive/test-oci-zstd-image.tar",
    "libimage/buildkit-docker.tar",
    "libimage/buildkit-oci.tar",
    "libimage/docker-name-only.tar.xz",
    "libimage/docker-registry-name.tar.xz",
    "libimage/docker-two-images.tar.xz",
    "libimage/docker-two-names.tar.xz",
    "libimage/docker-unnamed.tar.xz",
    "libimage/oci-name-only.tar.gz",
    "libimage/oci-non-docker-name.tar.gz",
    "libimage/oci-registry-name.tar.gz",
    "libimage/oci-unnamed.tar.gz",
]
REFUSED = {
    "dive/test-estargz-image.tar": "is not an image archive",
    "dive/test-gzip-image.tar": "is not an image archive",
    "dive/test-uncompressed-image.tar": "is not an image archive",
    "dive/test-zstd-image.tar": "is not an image archive",
    "libimage/exported-container.tar": "is not an image archive",
    "libimage/artifacts/blobs-only": "application/vnd.oci.empty.v1+json",
    "libimage/artifacts/config-only": "is 200 bytes, its descriptor says 506",
    "libimage/artifacts/index": "is an artifact, not an image: it has no config",
    "libimage/artifacts/no-blobs": "application/vnd.oci.empty.v1+json",
    # A checkout without symlinks: each blob holds the path of the file that it should link to.
    "busybox-oci/glibc": "is 25 bytes, its descriptor says 610",
}


def extract(archive, directory):
    """The archive's members as files (GNU tar detects its compression)."""
    os.makedirs(directory)
    if os.path.isdir(archive):
        shutil.copytree(archive, directory, dirs_exist_ok=True, symlinks=True)
    else:
        harness.run("tar", "--extract", "--file", archive, "--directory", directory)


def read_json(*path):
    with open(os.path.join(*path), "rb") as file:
        return json.load(file)


def plain_layer(path, target):
    """An uncompressed copy of a layer, by its first bytes."""
    with open(path, "rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        with gzip.open(path) as source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy)
    elif magic == b"\x28\xb5\x2f\xfd":
        harness.run("zstd", "-q", "-f", "-d", path, "-o", target)
    else:
        shutil.copyfile(path, target)


def images_of(directory):
    """(config bytes, layer files) of every image, read without any of Layerkit's code."""
    found = []
    if os.path.exists(os.path.join(directory, "manifest.json")):
        for item in read_json(directory, "manifest.json"):
            with open(os.path.join(directory, item["Config"]), "rb") as file:
                config = file.read()
            layers = [os.path.realpath(os.path.join(directory, l)) for l in item["Layers"] or []]
            found.append((config, layers))
        return found
    blob = lambda d: os.path.join(directory, "blobs", *d["digest"].split(":"))
    for descriptor in read_json(directory, "index.json")["manifests"]:
        manifest = read_json(blob(descriptor))
        with open(blob(manifest["config"]), "rb") as file:
            found.append((file.read(), [blob(l) for l in manifest["layers"] or []]))
    return found


class CorpusTest(harness.TestCase):
    def check_image(self, config, layers):
        image_id = "sha256:" + hashlib.sha256(config).hexdigest()
        wanted = json.loads(config)
        found = self.store.inspect(image_id)
        self.assertEqual(found["Id"], image_id)
        self.assertEqual(found["RootFS"]["Layers"], wanted["rootfs"]["diff_ids"] or [])
        reference = tempfile.mkdtemp(dir=self.dir)
        os.chmod(reference, 0o755)
        os.utime(reference, ns=(0, 0))
        for layer in layers:
            tar = self.path("layer.tar")
            plain_layer(layer, tar)
            reference_unpack.apply_layer(tar, reference)
        mounted = self.mounted(image_id)
        if not layers:
            self.assertEqual(os.listdir(mounted), [])
            return
        differences = harness.tree_differences(harness.tree(reference), harness.tree(mounted))
        self.assertEqual(differences, "")

    def test_images_load_and_mount_as_gnu_tar_unpacks_them(self):
        for name in IMAGES:
            with self.subTest(name):
                self.store = harness.Store(self.path("store", name.replace("/", "_")))
                extracted = self.path("extracted", name.replace("/", "_"))
                extract(os.path.join(CORPUS, name), extracted)
                images = images_of(extracted)
                self.store("load", "-i", os.path.join(CORPUS, name))
                ids = {"sha256:" + hashlib.sha256(config).hexdigest() for config, _ in images}
                self.assertEqual(set(self.store.image_ids()), ids)
                for config, layers in images:
                    self.check_image(config, layers)

    def test_blobs_that_are_symlinks_inside_the_layout_are_followed(self):
        layout = self.path("layout")
        shutil.copytree(os.path.join(CORPUS, "busybox-oci/glibc"), layout)
        blobs = os.path.join(layout, "blobs", "sha256")
        os.chmod(blobs, 0o755)
        for name in os.listdir(blobs):
            blob = os.path.join(blobs, name)
            with open(blob, encoding="utf-8") as file:
                target = file.read()
            os.unlink(blob)
            os.symlink(target, blob)
        self.store("load", "-i", layout)
        for config, layers in images_of(layout):
            self.check_image(config, layers)

    def test_a_pipe_gives_the_same_image(self):
        for name in ["dive/test-docker-image.tar", "libimage/docker-two-images.tar.xz"]:
            with self.subTest(name):
                by_file = harness.Store(self.path("file", name.replace("/", "_")))
                by_pipe = harness.Store(self.path("pipe", name.replace("/", "_")))
                path = os.path.join(CORPUS, name)
                by_file("load", "-i", path)
                with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
                    by_pipe("load", stdin=cat.stdout)
                self.assertEqual(by_pipe.image_ids(), by_file.image_ids())

    def test_what_is_no_image_is_refused_with_the_reason(self):
        for name, reason in REFUSED.items():
            with self.subTest(name):
                result = self.store("load", "-i", os.path.join(CORPUS, name), check=False)
                self.assert_fails(result, reason)
                self.assertEqual(self.store.image_ids(), [])
                self.assertEqual(self.store.staging(), [])


if __name__ == "__main__":
    if not CORPUS:
        harness.skip_program("LAYERKIT_CORPUS is not set")
    harness.main()
