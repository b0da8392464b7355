"""`imagetool lint`: every rule by an image that breaks it and by one that does not."""
import io
import json
import os
import re
import tarfile

import harness
import nobody
import small_images


def member(name, kind=tarfile.REGTYPE, content=b"", link="", mode=0o644, owner=(0, 0), mtime=0, xattrs=(), device=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode, info.mtime = kind, len(content), link, mode, mtime
    info.uid, info.gid = owner
    info.devmajor, info.devminor = device
    info.pax_headers = {"SCHILY.xattr." + key: value for key, value in xattrs}
    return info, content


def directory(name, **options):
    return member(name, tarfile.DIRTYPE, mode=options.pop("mode", 0o755), **options)


def layer(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


BASE = layer(directory("etc"), member("etc/a", content=b"1"), directory("private", mode=0o700), member("file"),
             directory("usr"), directory("usr/lib"), member("lib", tarfile.SYMTYPE, link="usr/lib"),
             directory("d"), member("d/x"), directory("empty"))

# Per rule: a layer on BASE that breaks it, the path that is told, and how many are.
CASES = {
    "aufs-metadata": [(layer(directory(".wh..wh.orph")), "/.wh..wh.orph")],
    "device": [(layer(member("null", tarfile.CHRTYPE, device=(1, 3))), "/null")],
    "duplicate-entry": [(layer(member("x"), member("./x", content=b"2")), "/x"),
                        (layer(directory("x"), directory("x/")), "/x"),
                        (layer(member("lib/x"), member("usr/lib/x")), "/usr/lib/x")],
    "empty-layer": [(layer(), "")],
    "link-leaves-root": [(layer(member("x", tarfile.SYMTYPE, link="../y")), "/x"),
                         (layer(directory("etc"), member("etc/x", tarfile.SYMTYPE, link="../../y")), "/etc/x"),
                         (layer(member("x", tarfile.SYMTYPE, link="/a/../../y")), "/x")],
    "link-to-lower": [(layer(member("x", tarfile.LNKTYPE, link="etc/a")), "/x"),
                      (layer(member("y", tarfile.LNKTYPE, link="usr/../etc/a")), "/y")],
    "lost-xattr": [(layer(member("x", tarfile.SYMTYPE, link="y", xattrs=[("user.a", "1")])), "/x")],
    "missing-parent": [(layer(member("new/deep/x")), "/new"), (layer(member("new/deep/x")), "/new/deep")],
    "name-absolute": [(layer(member("/x")), "/x"), (layer(directory("//x/")), "/x"), (layer(member("/.wh.file")), "/.wh.file"),
                      (layer(member("x"), member("y", tarfile.LNKTYPE, link="/x")), "/y")],
    "name-dot-dot": [(layer(member("etc/../x")), "/x"), (layer(member("/d/x/../../x")), "/x"),
                     (layer(member("x"), member("y", tarfile.LNKTYPE, link="d/../x")), "/y")],
    "name-control": [(layer(member("a\nb")), "/a\nb"), (layer(member("a\x1bb")), "/a\x1bb")],
    "name-not-utf8": [(layer(member("a\udce9")), "/a\\xe9")],
    "odd-owner": [(layer(member("x", owner=(65536, 0))), "/x"), (layer(member("x", owner=(0, 70000))), "/x")],
    "odd-time": [(layer(member("x", mtime=-5)), "/x"), (layer(member("x", mtime=1 << 34)), "/x")],
    "odd-whiteout": [(layer(member(".wh.file", content=b"x")), "/.wh.file"), (layer(directory(".wh.file")), "/.wh.file")],
    "overlay-xattr": [(layer(directory("x", xattrs=[("trusted.overlay.opaque", "y")])), "/x"),
                      (layer(directory("x", xattrs=[("user.overlay.redirect", "y")])), "/x")],
    "owner-overflow": [(layer(member("x", owner=(2147483648, 0))), "/x"), (layer(member("x", owner=(0, 4294967294))), "/x")],
    "parent-attributes": [(layer(member("private/x")), "/private")],
    "parent-is-link": [(layer(member("lib/x")), "/lib")],
    "parent-was-file": [(layer(member("file/x")), "/file")],
    "setuid": [(layer(member("x", mode=0o4755)), "/x"), (layer(member("x", mode=0o2755)), "/x")],
    "capabilities": [(layer(member("x", xattrs=[("security.capability", "\1")])), "/x")],
    "whiteout-and-entry": [(layer(member(".wh.file"), member("file")), "/file"),
                           (layer(member("file"), member(".wh.file")), "/file"),
                           (layer(member(".wh.d"), directory("d"), member("d/y")), "/d")],
    "whiteout-of-nothing": [(layer(member(".wh.none")), "/none"), (layer(member("none/.wh.x")), "/none/x"),
                            (layer(directory("new"), member("new/.wh..wh..opq")), "/new"),
                            (layer(directory("empty"), member("empty/.wh..wh..opq")), "/empty")],
    "bad-layer": [(layer(member("x", tarfile.LNKTYPE, link="none")), ""), (layer(member("../x")), ""),
                  (layer(member("x", tarfile.CHRTYPE)), ""), (layer(member(".wh.")), "")],
}

GOOD = [
    layer(directory("etc"), member("etc/b", content=b"2"), member("etc/c", tarfile.LNKTYPE, link="etc/b"),
          member("etc/up", tarfile.SYMTYPE, link="../lib"), member("etc/abs", tarfile.SYMTYPE, link="/usr/../etc"),
          member("x", owner=(65535, 65535), mtime=(1 << 33) - 1, xattrs=[("user.a", "1")])),
    layer(member(".wh.file"), directory("d"), member("d/.wh..wh..opq"), member("d/z"), directory("private", mode=0o700),
          member("private/x"), member("etc/d"), member("usr/lib/y"), member("gr\u00fcn")),
    layer(member("d/.wh.x"), member("etc/.wh.a")),
    layer(directory("./etc"), member("./etc//..x"), member("etc/y.."), member("..."), member("etc/./z"),
          member("etc/up", tarfile.SYMTYPE, link="/etc/../x")),
]


class ImageLintTest(nobody.TestCase):
    def archive(self, layers, history=None):
        path = self.path("app.tar")
        small_images.write_archive(path, "app:1", layers, history)
        os.chmod(path, 0o644)
        return path

    def findings(self, *arguments):
        result = self.as_nobody("-q", "lint", "--format", "json", *arguments, check=False)
        if result.returncode == 0:
            self.assertEqual(result.stderr, "")
        else:
            self.assert_fails(result, arguments[-1], "error")
        return [json.loads(row) for row in result.stdout.splitlines()], result.returncode

    def rules(self):
        return {row["Rule"]: row for row in
                map(json.loads, self.as_nobody("lint", "--rules", "--format", "json").stdout.splitlines())}

    def test_every_rule_is_broken_by_what_it_is_for(self):
        severities = self.rules()
        self.assertEqual(set(CASES), set(severities) - {"history-mismatch"})
        for rule, cases in CASES.items():
            for number, (content, path) in enumerate(cases):
                with self.subTest(rule=rule, number=number):
                    rows, code = self.findings(self.archive([BASE, content]))
                    mine = [row for row in rows if row["Rule"] == rule and row["Path"] == path]
                    self.assertEqual(len(mine), 1, rows)
                    self.assertEqual((mine[0]["Layer"], mine[0]["Severity"]), ("2", severities[rule]["Severity"]))
                    self.assertTrue(mine[0]["DiffID"].startswith("sha256:"))
                    self.assertEqual(code, 1 if any(row["Severity"] == "error" for row in rows) else 0)
                    without, _ = self.findings("--ignore", rule, self.archive([BASE, content]))
                    self.assertEqual(without, [row for row in rows if row["Rule"] != rule])

    def test_good_layers_break_none(self):
        for content in GOOD:
            rows, code = self.findings(self.archive([BASE, content]))
            self.assertEqual((rows, code), ([], 0))
        self.assertEqual(self.as_nobody("lint", self.archive([BASE, *GOOD[:1]])).stdout, "No findings.\n")

    def test_history(self):
        records = lambda *empty: [{"created_by": "x", **({"empty_layer": True} if e else {})} for e in empty]
        for history in (None, records(), records(False, True, False), records(True, False, False)):
            self.assertEqual(self.findings(self.archive([BASE, GOOD[0]], history)), ([], 0))
        for history in (records(False), records(False, True), records(False, False, False)):
            rows, code = self.findings(self.archive([BASE, GOOD[0]], history))
            self.assertEqual([(r["Rule"], r["Layer"], r["Path"]) for r in rows], [("history-mismatch", "", "")])
            self.assertEqual(code, 0)

    def test_nothing_is_said_above_a_bad_layer(self):
        bad = CASES["bad-layer"][0][0]
        rows, code = self.findings(self.archive([BASE, bad, layer(member("x", mode=0o4755))]))
        self.assertEqual(([r["Rule"] for r in rows], code), (["bad-layer"], 1))
        self.assertIn("'none'", rows[0]["Message"])

    def test_exit_codes(self):
        warning, error = CASES["odd-owner"][0][0], CASES["duplicate-entry"][0][0]
        info = CASES["setuid"][0][0]
        for content, strict, code in ((info, False, 0), (info, True, 0), (warning, False, 0), (warning, True, 1),
                                      (error, False, 1), (error, True, 1)):
            arguments = ["--strict"] if strict else []
            self.assertEqual(self.findings(*arguments, self.archive([BASE, content]))[1], code)
        self.assertEqual(self.findings("--ignore", "duplicate-entry", self.archive([BASE, error]))[1], 0)
        self.assertEqual(self.findings("--strict", "--ignore", "odd-owner", "--ignore", "odd-time",
                                       self.archive([BASE, warning])), ([], 0))

    def test_many_findings_are_counted(self):
        rows, _ = self.findings(self.archive([layer(*[member(f"x{i}", mode=0o4755) for i in range(250)])]))
        self.assertEqual(len(rows), 101)
        self.assertEqual(rows[-1]["Message"], "and 150 more like this")

    def test_store_and_formats(self):
        archive = self.archive([BASE, CASES["duplicate-entry"][0][0]])
        rows, _ = self.findings(archive)
        store = harness.Store(self.path("store"))
        store("load", "-i", archive)
        stored = store("lint", "--format", "json", "app:1", check=False)
        self.assertEqual([json.loads(row) for row in stored.stdout.splitlines()], rows)
        table = self.as_nobody("lint", archive, check=False).stdout.splitlines()
        self.assertTrue(table[0].startswith("SEVERITY"))
        self.assertRegex(table[1], "^error +duplicate-entry +2 ")
        self.assertEqual(self.as_nobody("lint", "--format", "{{.Rule}} {{.Path}}", archive, check=False).stdout,
                         "duplicate-entry /x\n")

    def test_the_documentation_has_every_rule(self):
        with open(os.path.join(os.environ["SOURCE_DIR"], "docs/IMAGES.md"), encoding="utf-8") as file:
            told = re.findall(r"^\| `([a-z0-9-]+)` \| (info|warning|error) \|", file.read(), re.M)
        self.assertEqual(told, [(name, row["Severity"]) for name, row in sorted(self.rules().items())])

    def test_errors(self):
        archive = self.archive([BASE])
        self.assert_fails(self.as_nobody("lint", self.path("none.tar"), check=False), "none.tar")
        self.assert_fails(self.as_nobody("lint", "--ignore", "nothing", archive, check=False), "'nothing'")
        self.assertEqual(self.as_nobody("lint", check=False).returncode, 2)
        with open(archive, "r+b") as file:
            content = file.read()
            file.seek(content.index(b"etc/a") + 512)
            file.write(b"2")
        self.assert_fails(self.as_nobody("lint", archive, check=False), "does not match its digest")


if __name__ == "__main__":
    harness.main()
