"""Commands that look, or need what is in a store, where there is none: they say so and make none."""
import os

import harness
import nobody

# What each says; {}: the same for the name that it was given.
CONTAINERS = [
    ["attach", "x"], ["commit", "x", "y"], ["cp", "/etc/hosts", "x:/t"], ["cp", "x:/t", "out"], ["cp", "-", "x:/t"],
    ["diff", "x"], ["diff", "container:x", "y"], ["exec", "x", "true"], ["exec", "-d", "x", "true"],
    ["export", "container:x"], ["kill", "x"], ["logs", "x"], ["logs", "-f", "x"], ["network", "check", "x"],
    ["pause", "x"], ["port", "x"], ["rename", "x", "y"], ["restart", "x"], ["rm", "x"], ["rm", "-f", "x"],
    ["start", "x"], ["start", "-a", "x"], ["stats", "x"], ["stop", "x"], ["top", "x"], ["unpause", "x"], ["wait", "x"],
    ["inspect", "--type", "container", "x"]]
IMAGES = [
    ["history", "x"], ["inspect", "--type", "image", "x"], ["mount", "x"], ["rmi", "x"], ["save", "-o", "out", "x"],
    ["tag", "x", "y"], ["ls", "x"], ["cp", "x:1:/etc", "out"], ["export", "x"], ["copy", "x", "oci:out"],
    ["squash", "x", "-t", "y"], ["ps", "--filter", "ancestor=x"]]
MAKERS = [["run", "x", "true"], ["create", "x", "true"]]
LISTS = {
    ("images",): "REPOSITORY", ("images", "-q"): "", ("ps",): "CONTAINER ID", ("ps", "-aq"): "", ("mount",): "",
    ("stats", "--no-stream"): "CONTAINER ID", ("stats",): "CONTAINER ID", ("system", "df"): "TYPE",
    ("prune", "-f"): "Total reclaimed space: 0B"}


class AbsentStoreTest(nobody.TestCase):
    """as_nobody checks that no store comes to be."""

    def out(self, command):
        return [word.replace("out", self.temporary + "/out") for word in command]

    def test_what_is_not_there_is_named(self):
        for kind, commands in (("container", CONTAINERS), ("image", IMAGES)):
            for command in commands:
                with self.subTest(command):
                    result = self.as_nobody(*self.out(command), check=False)
                    self.assert_fails(result, f"No such {kind}: x")
                    self.assertEqual(os.listdir(self.temporary), [])
        for command in MAKERS:
            with self.subTest(command):
                cidfile = self.temporary + "/out.cid"
                result = self.as_nobody(command[0], "--cidfile", cidfile, *command[1:], check=False)
                self.assert_fails(result, "No such image: x", code=125 if command[0] == "run" else 1)
                self.assertFalse(os.path.exists(cidfile))
        self.assert_fails(self.as_nobody("inspect", "x", check=False), "No such object: x")
        self.assert_fails(self.as_nobody("unmount", "x", check=False), "'x' is not mounted")

    def test_each_of_several_is_named(self):
        for command in (["stop"], ["rm"], ["start"], ["rmi"]):
            with self.subTest(command):
                result = self.as_nobody(*command, "x", "y", check=False)
                kind = "image" if command == ["rmi"] else "container"
                self.assertEqual(result.stderr, f"imagetool: No such {kind}: x\nimagetool: No such {kind}: y\n")
                self.assertEqual(result.returncode, 1)

    def test_lists_are_empty(self):
        for command, heading in LISTS.items():
            with self.subTest(command):
                result = self.as_nobody(*command)
                self.assertTrue(result.stdout.startswith(heading), result.stdout)
                self.assertFalse(heading == "" and result.stdout)
        self.assert_fails(self.as_nobody("ps", "--filter", "no=x", check=False), "only status=")

    def test_an_empty_directory_is_no_store_either(self):
        os.mkdir(self.path("empty"))
        store = harness.Store(self.path("empty"))
        self.assert_fails(store("logs", "x", check=False), "No such container: x")
        self.assertEqual(store("images", "-q").stdout, "")
        self.assertEqual(os.listdir(self.path("empty")), [])

    def test_what_is_no_store_is_said(self):
        for number, (prepare, text) in enumerate(((lambda path: os.makedirs(path + "/other"), "not a store"),
                                               (lambda path: open(path, "wb").close(), "store"))):
            path = self.path(f"odd{number}")
            prepare(path)
            for command in (["images"], ["logs", "x"], ["ls", "x"]):
                result = harness.Store(path)(*command, check=False)
                self.assert_fails(result, path, text)


if __name__ == "__main__":
    harness.main()
