"""What tests of looking into images and of making images of others share."""
import json
import os
import shutil
import tarfile

import harness
import nobody
import reference_unpack
import small_images


def archive_layers(path):
    """The uncompressed layers of a docker-archive, base first, and its config."""
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        layers = [archive.extractfile(name).read() for name in manifest["Layers"]]
        return layers, json.load(archive.extractfile(manifest["Config"]))


class ImageTestCase(nobody.TestCase):
    """Gives every test an archive, app.tar, with the image app:1, and a directory of nobody's."""

    layers = []

    def setUp(self):
        super().setUp()
        self.archive = self.path("app.tar")
        small_images.write_archive(self.archive, "app:1", self.layers)
        os.chmod(self.archive, 0o644)

    def applied(self, layers):
        """What GNU tar makes of layers."""
        root = self.path("root")
        shutil.rmtree(root, ignore_errors=True)
        os.mkdir(root, 0o755)
        os.utime(root, ns=(0, 0))
        for content in layers:
            with open(self.path("layer.tar"), "wb") as file:
                file.write(content)
            reference_unpack.apply_layer(self.path("layer.tar"), root)
        return harness.tree(root)

    def rewrite(self, *arguments, **environment):
        """Runs a command that makes an image, as nobody; the new image's layers and config."""
        out = self.temporary + "/out.tar"
        printed = self.as_nobody(*arguments, "-t", f"docker-archive:{out}:app:2", **environment).stdout.strip()
        layers, config = archive_layers(out)
        self.assertRegex(printed, "^sha256:[0-9a-f]{64}$")
        self.assertEqual(json.loads(self.as_nobody("layers", "--format", "json", out).stdout.splitlines()[-1])
                         ["Layer"], str(len(layers)))
        return layers, config

    def assert_same(self, wanted, found):
        self.assertEqual(harness.tree_differences(wanted, found), "")
