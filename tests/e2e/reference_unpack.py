"""Applies image layers one after another to one directory with GNU tar, by the image spec's words.

This is the independent model that mounted images are compared with: GNU tar does the extraction,
this file only removes what whiteouts hide (OCI image spec, layer.md, "Applying Changesets").
"""
import os
import posixpath
import shutil
import subprocess
import tarfile

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def _clean(name):
    return posixpath.normpath("/" + name).lstrip("/")


def _members(layer):
    with tarfile.open(layer) as archive:
        return [(_clean(member.name), member) for member in archive]


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _directory_times(root):
    return {path: os.lstat(path).st_mtime_ns for path, _, _ in os.walk(root)}


def _hide(root, names):
    """Whiteouts act on the layers below only, so they all go before this layer's own files."""
    for name in names:
        parent, base = posixpath.split(name)
        directory = os.path.join(root, parent)
        if base == OPAQUE:
            if os.path.isdir(directory):
                for child in os.listdir(directory):
                    _remove(os.path.join(directory, child))
        elif base.startswith(WHITEOUT):
            _remove(os.path.join(directory, base[len(WHITEOUT):]))


def _make_way(root, members):
    """What changes its type is removed first; a directory stays one."""
    for name, member in members:
        path = os.path.join(root, name)
        if os.path.lexists(path) and name:
            both_directories = member.isdir() and os.path.isdir(path) and not os.path.islink(path)
            if not both_directories:
                _remove(path)


def apply_layer(layer, root):
    """Applies one uncompressed layer tar to `root`."""
    members = _members(layer)
    before = _directory_times(root)
    _hide(root, [name for name, _ in members])
    plain = [(n, m) for n, m in members if not posixpath.basename(n).startswith(WHITEOUT)]
    _make_way(root, plain)
    subprocess.run(
        ["tar", "--extract", "--file", layer, "--directory", root, "--numeric-owner",
         "--same-owner", "--same-permissions", "--xattrs", "--xattrs-include=*",
         "--delay-directory-restore", "--exclude=.wh.*"],
        check=True, capture_output=True)
    # Directories that the layer does not name keep their times; new ones that nothing names have 0.
    named = {os.path.normpath(os.path.join(root, n)) for n, m in plain if m.isdir()}
    for path in _directory_times(root):
        if path not in named:
            time = before.get(path, 0)
            os.utime(path, ns=(time, time))
