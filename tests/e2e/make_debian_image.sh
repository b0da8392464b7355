#!/bin/sh
# Makes a Debian image of four layers as an OCI layout, with debootstrap and umoci.
# usage: make_debian_image.sh LAYOUT_DIR        (the image is LAYOUT_DIR:debian)
#
# Layers: a minimal Debian; python3 added; /usr/share/doc removed; /etc/apt replaced by another
# directory and /usr/share/man by a symlink.
set -eu

layout=$1
work=$(mktemp -d)
cleanup() {
  umount "$work/bundle/rootfs/proc" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

layer() {  # MESSAGE: what changed in the bundle becomes a layer
  umoci repack --refresh-bundle --history.created_by "$1" --image "$layout:debian" "$work/bundle"
}

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --variant=minbase "$codename" "$work/debian" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  exit 1
}
rm -f "$work"/debian/var/cache/apt/archives/*.deb

umoci init --layout "$layout"
umoci new --image "$layout:debian"
umoci config --config.cmd /bin/bash --config.env 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --image "$layout:debian"
umoci unpack --image "$layout:debian" "$work/bundle"
root=$work/bundle/rootfs
cp -a "$work/debian/." "$root/"
rm -rf "$work/debian"
layer "debootstrap --variant=minbase"

mount -t proc proc "$root/proc"
chroot "$root" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends python3-minimal >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  exit 1
}
umount "$root/proc"
rm -f "$root"/var/cache/apt/archives/*.deb
layer "apt-get install python3-minimal"

rm -rf "$root/usr/share/doc"
layer "rm -rf /usr/share/doc"

rm -rf "$root/etc/apt" "$root/usr/share/man"
mkdir -p "$root/etc/apt/replaced"
echo 'nothing here' >"$root/etc/apt/replaced/note"
ln -s ../../var/empty "$root/usr/share/man"
layer "replace /etc/apt and /usr/share/man"
