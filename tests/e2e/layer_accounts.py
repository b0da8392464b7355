"""What a stack of layers holds, counted from the tars by tarfile and nothing of Layerkit.

The rules are those of docs/formats/layer.md; the efficiency is counted as dive counts it, node by
node. Written to be obviously right, not fast.
"""
import hashlib
import io
import tarfile

OPAQUE = ".wh..wh..opq"
DEFAULT = (0o755, 0, 0, 0.0)


class Refused(Exception):
    """The entry cannot be applied."""


class File:
    """A file with all its names. `origin`: the lower file that a hard link brought into the layer."""

    def __init__(self, layer, path, size=0, digest=None, origin=None):
        self.layer, self.path, self.size, self.digest, self.origin = layer, path, size, digest, origin

    def root(self):
        return self.origin.root() if self.origin else self


class Leaf:
    def __init__(self, kind, file=None, target=None):
        self.kind, self.file, self.target = kind, file, target


class Dir:
    """A directory of a layer (`attributes` None: no entry says them; `claimed`: entries are in it, not
    only whiteouts) or of a finished tree."""

    def __init__(self, attributes=None):
        self.attributes, self.children = attributes, {}
        self.claimed = False
        self.opaque, self.whiteouts = False, set()


def parts(path):
    found = []
    for name in path.split("/"):
        if name == "..":
            if not found:
                raise Refused(path)
            found.pop()
        elif name not in ("", "."):
            found.append(name)
    return found


def attributes_of(member):
    return (member.mode & 0o7777, member.uid, member.gid, float(member.pax_headers.get("mtime", member.mtime)))


class Layer:
    """One layer on the tree `below`."""

    def __init__(self, number, below):
        self.number, self.below = number, below
        self.own = Dir()
        self.linked = []  # where the layer has lower files only because its hard links name them
        self.size = self.entries = self.added = self.changed = self.removed = 0
        self.files = []

    # --- what the layer and those below it show at the moment ---

    def child(self, own, below, name):
        """What stands there, as (own, below) directories or a leaf; None: nothing."""
        mine = own.children.get(name) if own else None
        if isinstance(mine, Leaf):
            return mine
        hidden = own is not None and (own.opaque or name in own.whiteouts)
        lower = below.children.get(name) if below and not hidden else None
        if mine is None:
            return (None, lower) if isinstance(lower, Dir) else lower
        return (mine, lower if isinstance(lower, Dir) else None)

    def resolve(self, names, make, links=0):
        """The real names of the directory that a path leads to; made part of the layer if asked."""
        if links > 40:
            raise Refused(names)
        real, own, below = [], self.own, self.below
        for index, name in enumerate(names):
            if name == "..":
                return self.resolve(real[:-1] + names[index + 1:], make, links)
            found = self.child(own, below, name)
            if isinstance(found, Leaf) and found.kind == "link":
                target = [n for n in found.target.split("/") if n not in ("", ".")]
                start = [] if found.target.startswith("/") else real
                return self.resolve(start + target + names[index + 1:], make, links + 1)
            if isinstance(found, Leaf):
                if own and name in own.children:
                    raise Refused(names)  # a file of the same layer
                found = None
                if make:
                    own.whiteouts.add(name)
            if found is None and not make:
                raise KeyError(name)
            below_child = found[1] if found else None
            own_child = found[0] if found else None
            if own_child is None and (make or own is not None):
                own_child = own.children.setdefault(name, Dir()) if make else None
            real.append(name)
            own, below = own_child, below_child
        return real

    def make_dir(self, names, claim=True):
        directory = self.own
        for name in self.resolve(names, True):
            directory = directory.children[name]
            directory.claimed = directory.claimed or claim
        return directory

    # --- the entries ---

    def add(self, member, content):
        if member.type not in tarfile.SUPPORTED_TYPES:
            raise Refused(member.name)
        names = parts(member.name)
        if not names:
            if not member.isdir():
                raise Refused(member.name)
            self.own.attributes = attributes_of(member)
        elif names[-1] == OPAQUE:
            self.drop_linked(self.resolved(names[:-1]))
            self.make_dir(names[:-1]).opaque = True
        elif names[-1].startswith(".wh..wh."):
            raise Refused("AUFS")
        elif names[-1].startswith(".wh."):
            self.add_whiteout(names[:-1], names[-1][len(".wh."):])
        elif member.isdir():
            self.add_directory(names, attributes_of(member))
        else:
            self.add_leaf(names, member, content)
        self.entries += 1
        if member.isreg():
            self.size += member.size

    def add_whiteout(self, parent, name):
        try:
            self.drop_linked(self.resolve(parent, False) + [name])
        except KeyError:
            return
        self.make_dir(parent, claim=False).whiteouts.add(name)

    def resolved(self, names):
        """Where the path leads to, as far as there is something."""
        try:
            return self.resolve(names, False)
        except KeyError:
            return names

    def add_directory(self, names, attributes):
        parent = self.make_dir(names[:-1])
        there = parent.children.get(names[-1])
        if not isinstance(there, Dir):
            self.forget_linked(self.resolved(names[:-1]) + names[-1:])
            lower = self.lower_of(names)
            if isinstance(there, Leaf) or isinstance(lower, Leaf):
                parent.whiteouts.add(names[-1])
            there = parent.children[names[-1]] = Dir()
        there.attributes, there.claimed = attributes, True

    def lower_of(self, names):
        """What the layers below show at a place of the layer."""
        own, below = self.own, self.below
        for name in self.resolve(names[:-1], False):
            found = self.child(own, below, name)
            own, below = found
        found = self.child(None, below, names[-1]) if below else None
        if own and (own.opaque or names[-1] in own.whiteouts):
            return None
        return found[1] if isinstance(found, tuple) else found

    def add_leaf(self, names, member, content):
        place = self.resolved(names[:-1]) + names[-1:]
        if member.islnk():
            leaf = self.link_target(parts(member.linkname), place)
        elif member.issym():
            leaf = Leaf("link", target=member.linkname)
        elif member.isreg():
            file = File(self.number, "/" + "/".join(names), member.size, hashlib.sha256(content).hexdigest())
            self.files.append(file)
            leaf = Leaf("file", file)
        else:
            leaf = Leaf("other")
        self.make_dir(names[:-1]).children[names[-1]] = leaf
        self.forget_linked(place)

    def link_target(self, names, place):
        if not names:
            raise Refused(names)
        try:
            real = self.resolve(names[:-1], False)
        except KeyError:
            raise Refused(names) from None
        target = real + names[-1:]
        # Making one would replace the other.
        if target[:len(place)] == place or place[:len(target)] == target:
            raise Refused(names)
        own, below = self.own, self.below
        for name in real:
            own, below = self.child(own, below, name)
        found = self.child(own, below, names[-1])
        if not isinstance(found, Leaf):
            raise Refused(names)
        if own and own.children.get(names[-1]) is found:
            return found
        copy = Leaf(found.kind, target=found.target)
        if found.file:
            file = found.file
            copy.file = File(self.number, file.path, file.size, file.digest, origin=file)
        self.make_dir(real, claim=False).children[names[-1]] = copy
        self.linked.append(target)
        return copy

    def forget_linked(self, names):
        """Something else stands there now."""
        self.linked = [path for path in self.linked if path[:len(names)] != names]

    def drop_linked(self, names):
        """What hides lower files hides those that hard links brought up; the links keep them."""
        for path in [path for path in self.linked if path[:len(names)] == names]:
            directory = self.own
            for name in path[:-1]:
                directory = directory.children[name]
            del directory.children[path[-1]]
        self.forget_linked(names)

    # --- the result ---

    def finish(self):
        """The tree of this layer and those below it; counts what changed."""
        attributes = self.own.attributes or (self.below.attributes if self.below else DEFAULT)
        before = self.below.attributes if self.below else None
        if attributes != (before or DEFAULT):
            self.changed += 1 if before else 0
            self.added += 0 if before else 1
        shown = self.merge(self.own, self.below, self.below)
        shown.attributes = attributes
        if self.own.opaque and self.below:
            self.removed += hidden_names(self.below, shown)
        return shown

    def merge(self, own, below, original):
        """`below` is what still shows through, `original` what was there."""
        shown = Dir(own.attributes or (below.attributes if below else DEFAULT))
        lower = below.children if below and not own.opaque else {}
        shown.children = {n: c for n, c in lower.items() if n not in own.whiteouts}
        self.removed += len([n for n in own.whiteouts if n in lower and n not in own.children])
        for name, mine in own.children.items():
            before = original.children.get(name) if original else None
            if isinstance(mine, Leaf):
                shown.children[name] = mine
                self.changed += 1 if before else 0
                self.added += 0 if before else 1
                continue
            under = lower.get(name)
            under = under if isinstance(under, Dir) else None
            if not mine.claimed and (under is None or name in own.whiteouts):
                if under is not None:
                    self.removed += 1
                continue
            covers = under is not None and (name in own.whiteouts or mine.opaque)
            is_cut = name in own.whiteouts
            child = self.merge(mine, None if is_cut else under, before if isinstance(before, Dir) else None)
            if is_cut and mine.attributes is None:
                child.attributes = DEFAULT
            shown.children[name] = child
            if covers:
                self.removed += hidden_names(under, child)
            if before is None:
                self.added += 1
            elif not isinstance(before, Dir) or before.attributes != child.attributes:
                self.changed += 1
        return shown


def hidden_names(lower, shown):
    count = 0
    for name, before in lower.children.items():
        now = shown.children.get(name)
        if now is None:
            count += 1
        elif isinstance(before, Dir) and isinstance(now, Dir):
            count += hidden_names(before, now)
    return count


def leaves(directory):
    for child in directory.children.values():
        if isinstance(child, Dir):
            yield from leaves(child)
        else:
            yield child


def files_of(tree):
    return {leaf.file for leaf in leaves(tree) if leaf.file}


class Stack:
    """All layers of an image, each the bytes of an uncompressed tar."""

    def __init__(self, tars):
        self.layers, self.overwritten, self.tree = [], 0, None
        for number, content in enumerate(tars):
            self.begin()
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    data = tar.extractfile(member).read() if member.isreg() else b""
                    self.layers[-1].add(member, data)
            self.end()
        self.efficiency = efficiency_of(tars)

    def begin(self):
        self.layers.append(Layer(len(self.layers), self.tree))

    def end(self):
        layer = self.layers[-1]
        self.tree = layer.finish()
        alive = {file.root() for file in files_of(self.tree)}
        self.overwritten += sum(f.size for f in layer.files if f not in alive)
        layer.files = [f for f in layer.files if f in alive]

    def shown_files(self):
        return files_of(self.tree) if self.tree else set()

    def shown_bytes(self):
        return sum(file.size for file in {file.root() for file in self.shown_files()})

    def hidden_files(self):
        alive = {file.root() for file in self.shown_files()}
        return [f for layer in self.layers for f in layer.files if f not in alive]

    def duplicate_bytes(self):
        groups = {}
        for file in self.shown_files():
            groups.setdefault((file.digest, file.size), []).append(file)
        return sum(size * (len(files) - 1) for (_, size), files in groups.items())


class Node:
    """One of dive's: what a tar says of a path; a plain one where only a longer path says it."""

    def __init__(self):
        self.size, self.is_dir, self.children = 0, False, {}


def node_at(root, names):
    for name in names:
        if name.startswith(".wh..wh.."):
            return None
        root = root.children.setdefault(name, Node())
    return root


def dive_tree(content):
    root = Node()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            node = node_at(root, parts(member.name))
            if node is not None and node is not root:
                node.size, node.is_dir = (member.size if member.isreg() else 0), member.isdir()
    return root


def walk(node, names=()):
    for name in sorted(node.children):
        yield from walk(node.children[name], (*names, name))
    if names:
        yield names, node


def total(node):
    return node.size + sum(map(total, node.children.values()))


def lay_over(stacked, tree):
    def find(names):
        at = stacked
        for name in names:
            at = at.children.get(name) if at else None
        return at
    nodes = list(walk(tree))
    for names, _ in nodes:
        if names[-1].startswith(".wh."):
            parent = find(names[:-1])
            if parent:
                parent.children.pop(names[-1][len(".wh."):], None)
    for names, node in nodes:
        if not names[-1].startswith(".wh."):
            there = node_at(stacked, names)
            there.size, there.is_dir = node.size, node.is_dir


def efficiency_of(tars):
    """(score, wasted bytes) as dive has them."""
    paths, stacked = {}, Node()
    for content in tars:
        tree = dive_tree(content)
        for names, node in walk(tree):
            if node.children:
                continue
            size = node.size
            if names[-1].startswith(".wh."):
                names = (*names[:-1], names[-1][len(".wh."):])
                at = stacked
                for name in names:
                    at = at.children.get(name) if at else None
                size = total(at) if at and at.is_dir else 0
            paths.setdefault(names, []).append(size)
        lay_over(stacked, tree)
    everything = sum(map(sum, paths.values()))
    score = sum(map(min, paths.values())) / everything if everything else 1.0
    return score, sum(sum(sizes) for sizes in paths.values() if len(sizes) > 1)
