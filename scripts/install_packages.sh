#!/bin/sh
# Installs the Debian packages a purpose needs and that are missing.
# usage: scripts/install_packages.sh build|test|image|tidy|bench ...
set -eu

build="g++ cmake ninja-build pkg-config libfmt-dev libssl-dev zlib1g-dev libzstd-dev liblzma-dev
       libbz2-dev libfuse3-dev libarchive-dev libseccomp-dev nlohmann-json3-dev
       libcli11-dev"
test="libgtest-dev python3 busybox-static debootstrap umoci skopeo podman
      attr acl tar zstd xz-utils bzip2 gzip util-linux qemu-system-x86 cpio binutils e2fsprogs
      fuse3 squashfs-tools containernetworking-plugins iproute2 iptables uidmap tmux erofs-utils"
image="busybox-static attr tar python3-minimal"
tidy="clang clang-tidy"
bench="libbenchmark-dev"

wanted=
for purpose in "$@"; do
  case $purpose in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    image) wanted="$wanted $image" ;;
    tidy) wanted="$wanted $tidy" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "usage: $0 build|test|image|tidy|bench ..." >&2; exit 2 ;;
  esac
done

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing
