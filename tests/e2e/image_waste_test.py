"""`imagetool waste` and `layers` against counts made from the tars by tarfile, on made images, random
stacks and the corpus; by an ordinary user."""
import io
import json
import os
import random
import tarfile
import tempfile

import corpus_test
import harness
import layer_accounts
import nobody
import small_images

CORPUS = os.environ.get("LAYERKIT_CORPUS")
LAYERS = [
    small_images.layer(("etc", None), ("etc/a", b"one"), ("gone", b"4444"), ("dir", None), ("dir/x", b"55555"),
                       ("copy1", b"same!!"), ("many", b"7777777"), ("other", "-> many"), ("opq", None),
                       ("opq/a", b"1"), ("opq/b", b"22")),
    small_images.layer(("etc", None), ("etc/a", b"three"), (".wh.gone", b""), ("copy2", b"same!!"), (".wh.many", b""),
                       ("opq", None), ("opq/.wh..wh..opq", b""), ("opq/b", b"333")),
    small_images.layer((".wh.dir", b""), ("etc/a", b"two"), ("copy1", b"same!!"), ("twice", b"12"), ("twice", b"345")),
]


class RandomStack:
    """Layers that do whatever the rules allow."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stack = layer_accounts.Stack([])
        self.tars = []
        for _ in range(self.random.randint(1, 5)):
            self.add_layer()

    def name(self):
        return "/".join(self.random.choice("abcde") for _ in range(self.random.randint(1, 3)))

    def add_layer(self):
        self.stack.begin()
        layer = self.stack.layers[-1]
        buffer = io.BytesIO()
        written = set()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for _ in range(self.random.randint(1, 25)):
                info, content = self.entry()
                # Layers with a path twice are looked at one by one.
                if info.name in written:
                    continue
                try:
                    layer.add(info, content)
                except (layer_accounts.Refused, KeyError):
                    continue
                written.add(info.name)
                tar.addfile(info, io.BytesIO(content))
        self.tars.append(buffer.getvalue())
        self.stack.end()

    def entry(self):
        info = tarfile.TarInfo(self.name())
        info.mode = self.random.choice([0o755, 0o700])
        content = b""
        kind = self.random.randint(0, 9)
        if kind < 3:
            content = self.random.choice([b"", b"x", b"yy", b"zz", b"same" * 9, bytes(300)])
            info.size = len(content)
        elif kind < 6:
            info.type = tarfile.DIRTYPE
        elif kind == 6:
            info.type, info.linkname = tarfile.LNKTYPE, self.name()
        elif kind == 7:
            info.type = tarfile.SYMTYPE
            info.linkname = self.random.choice(["", "/", "../"]) + self.name()
        else:
            parent, _, name = info.name.rpartition("/")
            whiteout = ".wh..wh..opq" if kind == 9 else ".wh." + name
            info.name = parent + "/" + whiteout if parent else whiteout
        return info, content


class ImageWasteTest(nobody.TestCase):
    def archive(self, layers):
        path = os.path.join(tempfile.mkdtemp(dir=self.dir), "app.tar")
        os.chmod(os.path.dirname(path), 0o755)
        small_images.write_archive(path, "app:1", layers)
        os.chmod(path, 0o644)
        return path

    def json_rows(self, *arguments):
        return [json.loads(row) for row in self.as_nobody(*arguments, "--format", "json").stdout.splitlines()]

    def summary(self, image):
        return self.json_rows("waste", "--summary", "--no-human", image)[0]

    def check(self, image, tars):
        """Everything that both count."""
        stack = layer_accounts.Stack(tars)
        rows = self.json_rows("layers", "--no-human", image)
        fields = ("Size", "Entries", "Added", "Changed", "Removed")
        self.assertEqual([[int(row[f]) for f in fields] for row in rows],
                         [[l.size, l.entries, l.added, l.changed, l.removed] for l in stack.layers])
        hidden = stack.hidden_files()
        found = self.summary(image)
        self.assertEqual(
            {f: int(found[f]) for f in ("LayerBytes", "ShownBytes", "HiddenBytes", "OverwrittenBytes",
                                        "DuplicateBytes", "EfficiencyWastedBytes")},
            {"LayerBytes": sum(l.size for l in stack.layers), "ShownBytes": stack.shown_bytes(),
             "HiddenBytes": sum(f.size for f in hidden), "OverwrittenBytes": stack.overwritten,
             "DuplicateBytes": stack.duplicate_bytes(), "EfficiencyWastedBytes": stack.efficiency[1]})
        self.assertEqual(found["Efficiency"], f"{stack.efficiency[0] * 100:.4f}%")
        rows = self.json_rows("waste", "--no-human", "--top", "1000000", image)
        wasted = {"hidden": 0, "duplicate": 0}
        for row in rows:
            wasted[row["Kind"]] += int(row["Wasted"])
        self.assertEqual(wasted, {"hidden": int(found["HiddenBytes"]), "duplicate": int(found["DuplicateBytes"])})
        return stack, rows

    def test_a_made_image(self):
        stack, rows = self.check(self.archive(LAYERS), LAYERS)
        hidden = {}
        for file in stack.hidden_files():
            hidden[file.path] = hidden.get(file.path, 0) + file.size
        self.assertEqual({r["Path"]: int(r["Wasted"]) for r in rows if r["Kind"] == "hidden"}, hidden)
        # /other still shows what /many was.
        self.assertEqual(hidden, {"/etc/a": 8, "/gone": 4, "/dir/x": 5, "/opq/a": 1, "/opq/b": 2, "/copy1": 6})
        self.assertEqual([int(r["Wasted"]) for r in rows if r["Kind"] == "hidden"], [8, 6, 5, 4, 2, 1])
        self.assertEqual(rows[0]["Details"], "layer 1: replaced by layer 2; layer 2: replaced by layer 3")
        details = {r["Path"]: r["Details"] for r in rows if r["Kind"] == "hidden"}
        self.assertEqual(details["/dir/x"], "layer 1: whiteout by layer 3")
        self.assertEqual(details["/opq/b"], "layer 1: opaque directory by layer 2")
        duplicates = [(r["Path"], r["Count"], r["Wasted"], r["Details"]) for r in rows if r["Kind"] == "duplicate"]
        self.assertEqual(duplicates, [("/copy1", "2", "6", "also /copy2")])

    def test_links_to_lower_files_bring_no_bytes(self):
        layers = [small_images.layer(("a", b"12345"), ("b", "-> a"), ("c", b"333")),
                  small_images.layer(("d", "-> a"), ("e", "-> d"), ("0", "-> c")),
                  small_images.layer((".wh.d", b""), (".wh.0", b""), (".wh.c", b""))]
        stack, _ = self.check(self.archive(layers), layers)
        self.assertEqual([(f.path, f.size) for f in stack.hidden_files()], [("/c", 3)])
        self.check(self.archive(layers[:2]), layers[:2])

    def test_a_layer_that_links_to_a_lower_file_and_has_its_path_itself(self):
        # In the second layer x (and 0) are what a was below; a is another file, or gone, or below a file.
        base = small_images.layer(("a", b"12345"), ("d", None), ("d/a", b"4444"))
        for upper in ([("x", "-> a"), ("a", b"22")], [("0", "-> a"), ("a", b"22")], [("x", "-> a"), (".wh.a", b"")],
                      [("0", "-> a"), (".wh.a", b"")], [("0", "-> a"), ("x", "-> a"), ("a", b"22"), ("y", "-> x")],
                      [("x", "-> d/a"), ("d", b"1")], [("0", "-> d/a"), (".wh.d", b"")],
                      [("x", "-> d/a"), ("d", None), ("d/.wh..wh..opq", b"")], [("a", b"22"), ("x", "-> a")],
                      [("x", "-> a"), ("a", "-> d/a")], [("x", "-> a"), ("a", None), ("a/b", b"1")]):
            for top in ([], [("x", b"333")], [(".wh.x", b""), (".wh.0", b"")]):
                layers = [base, small_images.layer(*upper), small_images.layer(*top)]
                with self.subTest((upper, top)):
                    self.check(self.archive(layers), layers)
        layers = [base, small_images.layer(("x", "-> a"), ("a", b"22"))]
        stack, _ = self.check(self.archive(layers), layers)
        self.assertEqual((stack.shown_bytes(), stack.hidden_files(), stack.overwritten), (11, [], 0))
        store = harness.Store(self.path("store"))
        store("load", "-i", self.archive(layers))
        self.assertEqual(store("waste", "--no-human", "app:1").stdout,
                         self.as_nobody("waste", "--no-human", self.archive(layers)).stdout)

    def test_random_stacks(self):
        for seed in range(10 if harness.SANITIZED else 120):
            with self.subTest(seed=seed):
                tars = RandomStack(seed).tars
                self.check(self.archive(tars), tars)

    def test_stores_of_both_drivers_tell_the_same(self):
        for number, tars in enumerate((LAYERS, RandomStack(5).tars, RandomStack(10).tars)):
            archive = self.archive(tars)
            wanted = self.as_nobody("waste", "--top", "100", archive).stdout
            for driver in ("overlay2", "aufs"):
                with self.subTest(number=number, driver=driver):
                    store = harness.Store(self.path(f"{driver}-{number}"))
                    store("--driver", driver, "load", "-i", archive)
                    self.assertEqual(store("waste", "--top", "100", "app:1").stdout, wanted)

    def test_every_compression_tells_the_same(self):
        archive = self.archive(LAYERS)
        wanted = self.as_nobody("waste", archive).stdout
        for compress in ("gzip", "zstd"):
            path = f"{self.temporary}/out-{compress}"
            self.as_nobody("copy", "--compress", compress, archive, "oci-archive:" + path)
            self.assertEqual(self.as_nobody("waste", path).stdout, wanted)

    def test_the_corpus(self):
        if not CORPUS:
            self.skipTest("LAYERKIT_CORPUS is not set")
        for name in corpus_test.IMAGES:
            with self.subTest(name):
                extracted = self.path("extracted", name.replace("/", "_"))
                corpus_test.extract(os.path.join(CORPUS, name), extracted)
                copy = self.path("copy.tar")
                with open(os.path.join(CORPUS, name), "rb") as source, open(copy, "wb") as target:
                    target.write(source.read())
                os.chmod(copy, 0o644)
                images = corpus_test.images_of(extracted)
                for number, (_, layers) in enumerate(images):
                    tars = []
                    for layer in layers:
                        corpus_test.plain_layer(layer, self.path("layer.tar"))
                        with open(self.path("layer.tar"), "rb") as file:
                            tars.append(file.read())
                    is_docker = os.path.exists(os.path.join(extracted, "manifest.json"))
                    kind = "docker-archive" if is_docker else "oci-archive"
                    self.check(f"{kind}:{copy}:@{number}", tars)

    def test_dives_own_figures(self):
        """Of its test image, as its test has them."""
        if not CORPUS:
            self.skipTest("LAYERKIT_CORPUS is not set")
        copy = self.path("dive.tar")
        with open(os.path.join(CORPUS, "dive/test-docker-image.tar"), "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
        os.chmod(copy, 0o644)
        found = self.summary(copy)
        self.assertEqual(
            (found["LayerBytes"], found["Efficiency"], found["EfficiencyWastedBytes"], found["EfficiencyUserWasted"]),
            ("1220598", "98.4421%", "32025", "48.3491%"))

    def test_the_limit_of_ci(self):
        archive = self.archive(LAYERS)
        wasted = self.summary(archive)
        total = int(wasted["HiddenBytes"]) + int(wasted["OverwrittenBytes"])
        for allowed in (str(total), "100%", "99.5%", "1k"):
            self.assertEqual(self.as_nobody("waste", "--max-waste", allowed, archive).returncode, 0)
        for allowed in (str(total - 1), "0", "10%", "0%", "12.5%"):
            result = self.as_nobody("waste", "--max-waste", allowed, archive, check=False)
            self.assert_fails(result, f"{total} bytes", f"--max-waste allows {allowed}")
            self.assertIn("Efficiency:", result.stdout)
        clean = self.archive(LAYERS[:1])
        self.as_nobody("waste", "--max-waste", "0", clean)
        for wrong in ("x", "5.%", "%", "101%", "-1%", "1.5.2%"):
            self.assertNotEqual(self.as_nobody("waste", f"--max-waste={wrong}", archive, check=False).returncode, 0)

    def test_formats(self):
        archive = self.archive(LAYERS)
        report = self.as_nobody("waste", "--top", "1", archive).stdout
        self.assertIn("In layers:", report)
        self.assertEqual(len([l for l in report.splitlines() if l.startswith(("hidden ", "duplicate "))]), 2)
        self.assertNotIn("KIND", self.as_nobody("waste", "--top", "0", archive).stdout)
        table = self.as_nobody("waste", "--format", "table", archive).stdout.splitlines()
        self.assertTrue(table[0].startswith("KIND"))
        self.assertEqual(self.as_nobody("waste", "--top", "1", "--format", "{{.Kind}} {{.Path}}", archive).stdout,
                         "hidden /etc/a\nduplicate /copy1\n")
        self.assertRegex(self.as_nobody("waste", "--summary", "--format", "{{.Efficiency}}", archive).stdout,
                         r"^\d+\.\d{4}%\n$")
        self.assertTrue(self.as_nobody("waste", "--summary", archive).stdout.startswith("IN LAYERS"))
        self.assert_fails(self.as_nobody("waste", "--format", "{{.Nothing}}", archive, check=False), "Nothing")

    def test_what_cannot_be_counted(self):
        self.assert_fails(self.as_nobody("waste", self.path("none.tar"), check=False), "none.tar")
        damaged = self.archive(LAYERS)
        with open(damaged, "r+b") as file:
            content = file.read()
            file.seek(content.index(b"same!!"))
            file.write(b"SAME!!")
        self.assert_fails(self.as_nobody("waste", damaged, check=False), "does not match its digest")
        empty = self.archive([])
        self.assertEqual(self.summary(empty)["Efficiency"], "100.0000%")
        odd = self.archive([small_images.layer(("a\x1b\udce9", b"1")), small_images.layer((".wh.a\x1b\udce9", b""))])
        self.assertIn("/a\\\\x1b\\\\xe9", self.as_nobody("waste", odd).stdout)


if __name__ == "__main__":
    harness.main()
