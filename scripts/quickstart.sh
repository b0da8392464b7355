#!/bin/sh
# Builds a release of Layerkit and shows the main job on a small real image: an archive becomes
# layers, a mounted root filesystem, a running process, a committed image and an archive again.
# Run it as root on Debian 12 or newer; it installs the Debian packages that are missing.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo "scripts/quickstart.sh: run it as root: it mounts file systems and starts containers" >&2
  exit 1
fi

work=$PWD/build/quickstart
store=$work/store
imagetool=$PWD/build/release/imagetool/imagetool
container=quickstart

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ imagetool %s\n' "$*"; "$imagetool" --root "$store" "$@"; }
quiet() { "$imagetool" --root "$store" "$@" >/dev/null 2>&1 || true; }
clean() {
  [ -x "$imagetool" ] || return 0
  quiet unmount layerkit/demo:latest
  quiet rm -f "$container"
}

say "Installing what is missing and building a release"
scripts/install_packages.sh build image
cmake --preset release >/dev/null
cmake --build --preset release

clean
rm -rf "$work"
mkdir -p "$work"
trap clean EXIT

say "Making an image archive from Debian's own packages (three layers)"
scripts/make_demo_image.sh "$work/demo.tar" layerkit/demo:latest
ls -l "$work/demo.tar"

say "Loading it: each layer is unpacked once, into a directory named by its chain of digests"
run load -i "$work/demo.tar"
run images
run history layerkit/demo:latest

say "Looking at it: the same keys as docker image inspect"
run inspect --format '{{json .RootFS}}' layerkit/demo:latest

say "Mounting its root filesystem, read-only, without running anything"
mounted=$("$imagetool" --root "$store" mount layerkit/demo:latest)
echo "mounted on $mounted:"
ls "$mounted"
cat "$mounted/etc/motd"
test ! -e "$mounted/usr/share/doc" && echo "/usr/share/doc, removed by the third layer, is not there"
ls -li "$mounted/usr/local/bin/hello" "$mounted/usr/local/bin/hi" "$mounted/usr/bin/su"
getfattr --absolute-names -n security.capability -e hex "$mounted/usr/bin/ping"
run unmount layerkit/demo:latest

say "Running a process in it, in namespaces of its own and with at most 64 MiB of memory"
run run --name "$container" -m 64m --hostname demo layerkit/demo:latest sh -c \
  'hello; echo "I am pid $$ on $(hostname)"; echo "changed by a container" >/etc/motd; rm /usr/local/bin/hi; echo new >/root/note'

say "What the container changed: A added, C changed, D deleted"
run diff "$container"

say "Committing the changes as a new layer on top of the old ones"
run commit -m "quickstart" "$container" layerkit/demo:changed
run run --rm layerkit/demo:changed cat /etc/motd /root/note
run images

say "Saving the new image, for docker or podman and as an OCI archive"
run save -o "$work/changed.tar" layerkit/demo:changed
run save --format oci-archive -o "$work/changed.oci.tar" layerkit/demo:changed
ls -l "$work/changed.tar" "$work/changed.oci.tar"

say "Removing the container"
run rm "$container"

say "Done"
echo "The program:    $imagetool   (cmake --install build/release installs it)"
echo "The store:      $store"
echo "The archives:   $work/changed.tar, $work/changed.oci.tar"
