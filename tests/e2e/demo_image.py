"""The small image of scripts/make_demo_image.sh, made once per test program."""
import functools
import os
import tempfile

import harness


@functools.lru_cache(maxsize=1)
def archive():
    path = os.path.join(tempfile.mkdtemp(prefix="layerkit-e2e-demo-"), "demo.tar")
    script = os.path.join(os.environ["SOURCE_DIR"], "scripts", "make_demo_image.sh")
    harness.run(script, path, "demo:latest")
    return path
