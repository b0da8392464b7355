"""Small images made in memory, for tests that need many of them."""
import hashlib
import io
import json
import os
import shutil
import tarfile


def layer(*entries):
    """A layer's tar. An entry is (name, content): bytes, None for a directory, or "-> NAME" for a
    hard link and "~> TARGET" for a symlink."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type = tarfile.LNKTYPE if content.startswith("->") else tarfile.SYMTYPE
                info.linkname = content[3:]
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def busybox_layer(more=()):
    """A root file system in which /bin/sh runs; with more entries."""
    with open(shutil.which("busybox"), "rb") as file:
        content = file.read()
    return layer(("bin", None), ("bin/busybox", content), ("bin/sh", "-> bin/busybox"), ("etc", None),
                 *more)


def write_archive(path, name, layers, history=None):
    """A docker-archive with one image. Returns the image's ID."""
    digests = [hashlib.sha256(content).hexdigest() for content in layers]
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}}
    if history is not None:
        config["history"] = history
    config = json.dumps(config).encode()
    image = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": image + ".json", "RepoTags": [name],
                            "Layers": [f"{digest}/layer.tar" for digest in digests]}]).encode()
    members = {image + ".json": config, "manifest.json": manifest}
    members.update((f"{digest}/layer.tar", content) for digest, content in zip(digests, layers))
    temporary = path + ".new"
    with tarfile.open(temporary, "w") as tar:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    os.rename(temporary, path)
    return "sha256:" + image
