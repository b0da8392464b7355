"""Archives that ask for too much: a load's memory stays below 64 MiB, and every limit is named."""
import hashlib
import json
import lzma
import os
import subprocess
import sys
import zlib

import harness

MAX_RSS = 64 << 20
# With a sanitizer memory says nothing, and time would be minutes.
MANY = 5_000 if harness.SANITIZED else 200_000
TRAILING_ZEROS = (64 << 20) if harness.SANITIZED else (3 << 30)
# The kernel counts the memory of what starts a program into the program's: this is small.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
ZEROS = b"\0" * (1 << 20)
END = b"\0" * 1024


def header(name, type_=b"0", size=0):
    block = bytearray(512)
    fields = [(0, name), (100, b"0000755"), (108, b"0000000"), (116, b"0000000"),
              (124, b"%011o" % size), (136, b"00000000000"), (148, b"        "), (156, type_),
              (257, b"ustar\x0000")]
    for offset, text in fields:
        block[offset:offset + len(text)] = text
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


class Archive:
    """Writes a docker-archive piece by piece; a number among the pieces is so many zeros."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.layers = []

    def layer(self, pieces, compress=None):
        start = self.file.tell()
        self.file.write(bytes(512))
        digest = hashlib.sha256()
        for piece in pieces:
            self._put(piece, digest, compress)
        if compress:
            self.file.write(compress.flush())
        name = b"%d.tar" % len(self.layers)
        self._finish_member(start, name)
        self.layers.append((name.decode(), "sha256:" + digest.hexdigest()))

    def _put(self, piece, digest, compress):
        if isinstance(piece, bytes):
            digest.update(piece)
            self.file.write(compress.compress(piece) if compress else piece)
            return
        while piece > 0:
            zeros = ZEROS[:piece]
            piece -= len(zeros)
            digest.update(zeros)
            if compress:
                self.file.write(compress.compress(zeros))
            else:
                self.file.seek(len(zeros), os.SEEK_CUR)

    def _finish_member(self, start, name):
        end = self.file.tell()
        self.file.seek(start)
        self.file.write(header(name, size=end - start - 512))
        self.file.seek(end + -end % 512)

    def finish(self, config=None):
        document = {"architecture": "amd64", "os": "linux",
                    "rootfs": {"type": "layers", "diff_ids": [i for _, i in self.layers]}}
        manifest = [{"Config": "config", "RepoTags": ["hostile:1"], "Layers": [n for n, _ in self.layers]}]
        for name, text in [(b"config", config(document) if config else json.dumps(document).encode()),
                           (b"manifest.json", json.dumps(manifest).encode())]:
            start = self.file.tell()
            self.file.write(bytes(512))
            self._put(text, hashlib.sha256(), None)
            self._finish_member(start, name)
        self.file.seek(1023, os.SEEK_CUR)
        self.file.write(b"\0")
        self.file.close()


def scattered(count):
    """Every number below `count`, in no good order."""
    return (i * 7368787 % count for i in range(count))


class BoundsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.archive = self.path("hostile.tar")

    def load(self, *options):
        """Loads the archive and checks how much memory that took."""
        result = subprocess.run(
            [sys.executable, "-c", MEASURED, self.path("rss"),
             harness.IMAGETOOL, "--root", self.store.root, "load", "-q", *options, "-i", self.archive],
            capture_output=True, text=True, check=False)
        if not harness.SANITIZED:
            with open(self.path("rss"), encoding="utf-8") as file:
                self.assertLess(int(file.read()) * 1024, MAX_RSS)
        return result

    def check_loads(self, *options):
        result = self.load(*options)
        self.assertEqual(result.returncode, 0, result.stderr)

    def check_refused(self, *texts, options=()):
        self.assert_fails(self.load(*options), *texts)
        self.assertEqual(self.store.staging(), [])
        self.assertEqual(self.store.layer_dirs(), [])

    def test_many_directories_and_as_many_whiteouts_of_them(self):
        archive = Archive(self.archive)
        window = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 32 << 20}]
        for name, type_ in (b"d/%07d/", b"5"), (b"d/.wh.%07d", b"0"):
            archive.layer(self.many(name, type_), lzma.LZMACompressor(filters=window))
        archive.finish()
        self.check_loads()

    def many(self, name, type_):
        """Headers in pieces, so that this program stays small, too."""
        piece = []
        for i in scattered(MANY):
            piece.append(header(name % i, type_))
            if len(piece) == 1000:
                yield b"".join(piece)
                piece.clear()
        yield b"".join(piece) + END

    def test_zeros_behind_the_end(self):
        archive = Archive(self.archive)
        archive.layer([header(b"a"), END, TRAILING_ZEROS])
        archive.finish()
        self.check_loads()

    def test_a_huge_config(self):
        archive = Archive(self.archive)
        archive.layer([header(b"a"), END])
        archive.finish(lambda document: 1 << 30)
        self.check_refused("config 'config'", "larger than 4194304 bytes (the limit max-json-size)")

    def test_a_config_of_many_values(self):
        archive = Archive(self.archive)
        archive.layer([header(b"a"), END])
        archive.finish(lambda d: json.dumps(d).encode()[:-1] + b', "x": [' + b"0," * 1_000_000 + b"0]}")
        self.check_refused("parsing config: it has more than 104921 values")

    def test_a_bomb(self):
        archive = Archive(self.archive)
        size = (1 << 30) + (10 << 20)
        archive.layer([header(b"big", size=size), size, END], zlib.compressobj(9, wbits=31))
        archive.finish()
        self.check_refused("(the limit max-ratio)")
        self.check_loads("--max-ratio", "2000")

    def test_limits_can_be_lowered(self):
        archive = Archive(self.archive)
        archive.layer([header(b"a/b/c"), header(b"d"), header(b"e", size=512), bytes(512), END])
        archive.finish()
        for option, value, text in [("--max-entries", "2", "more than 2 entries"),
                                    ("--max-entries", "1", "more than 1 directories"),
                                    ("--max-path-length", "4", "its path is longer than 4 bytes"),
                                    ("--max-json-size", "30", "larger than 30 bytes"),
                                    ("--max-layer-size", "2k", "more than 2048 bytes"),
                                    ("--max-size", "2k", "more than 2048 bytes together")]:
            with self.subTest(option=option, value=value):
                self.check_refused(text, f"(the limit {option.removeprefix('--')})", options=(option, value))
        self.assert_fails(self.load("--max-size", "much"), "much")
        self.assert_fails(self.load("--max-json-size", "5m"), "a store takes no more than 4m")
        self.check_loads("--max-entries", "3", "--max-layer-size", "4k", "--max-size", "4k")


if __name__ == "__main__":
    harness.main()
