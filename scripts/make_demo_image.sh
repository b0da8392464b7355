#!/bin/sh
# Makes a small real image archive, as `docker save` writes it, from the distribution's own packages.
# usage: scripts/make_demo_image.sh OUT.tar [NAME:TAG]
#
# Three layers: a base (base-files, busybox), a package with a hard link, a setuid file and an
# extended attribute, and changes (a removed directory, a replaced file, an emptied directory).
set -eu

[ $# -ge 1 ] || { echo "usage: $0 OUT.tar [NAME:TAG]" >&2; exit 2; }
out=$1
name=${2:-layerkit/demo:latest}
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages" "$work/archive"

fetch() {  # PACKAGE TREE: unpacks a Debian package into a tree
  (cd "$work/packages" && apt-get -o APT::Sandbox::User=root -q download "$1" >/dev/null)
  dpkg-deb -x "$work/packages/$1"_*.deb "$2"
}

pack() {  # TREE LAYER: a reproducible layer tar
  tar --create --file "$work/archive/$2" --directory "$1" --sort=name --numeric-owner \
    --format=pax --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
    --xattrs --xattrs-include='*' .
}

base=$work/base
mkdir "$base"
fetch base-files "$base"
mkdir -p "$base/bin" "$base/etc" "$base/root" "$base/tmp" "$base/usr/bin" "$base/var/tmp"
chmod 1777 "$base/tmp" "$base/var/tmp"
cp /bin/busybox "$base/bin/busybox"
for applet in $("$base/bin/busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "$base/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' \
  >"$base/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$base/etc/group"
echo 'Welcome to the base layer.' >"$base/etc/motd"
pack "$base" 1.tar

added=$work/added
mkdir "$added"
fetch netbase "$added"
mkdir -p "$added/usr/local/bin" "$added/usr/bin"
printf '#!/bin/sh\necho "Hello from a Layerkit image."\n' >"$added/usr/local/bin/hello"
chmod 755 "$added/usr/local/bin/hello"
ln "$added/usr/local/bin/hello" "$added/usr/local/bin/hi"
cp "$base/bin/busybox" "$added/usr/bin/su"
chmod 4755 "$added/usr/bin/su"
cp "$base/bin/busybox" "$added/usr/bin/ping"
# cap_net_raw+ep, in the kernel's own form (struct vfs_ns_cap_data, revision 2)
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$added/usr/bin/ping"
pack "$added" 2.tar

changed=$work/changed
mkdir -p "$changed/etc/update-motd.d" "$changed/usr/share"
echo 'Welcome to the third layer.' >"$changed/etc/motd"
: >"$changed/etc/update-motd.d/.wh..wh..opq"
: >"$changed/usr/share/.wh.doc"
pack "$changed" 3.tar

diff_ids= layers=
for layer in 1 2 3; do
  digest=$(sha256sum <"$work/archive/$layer.tar" | cut -d' ' -f1)
  mv "$work/archive/$layer.tar" "$work/archive/$digest.tar"
  diff_ids="$diff_ids${diff_ids:+,}\"sha256:$digest\""
  layers="$layers${layers:+,}\"$digest.tar\""
done
case $(dpkg --print-architecture) in
  i386) architecture=386 ;;
  armhf) architecture=arm ;;
  *) architecture=$(dpkg --print-architecture) ;;
esac
created=2024-01-01T00:00:00Z
cat >"$work/config" <<EOF
{"architecture":"$architecture","os":"linux","created":"$created",
"config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin","LANG=C.UTF-8"],"Cmd":["/bin/sh"],"WorkingDir":"/"},
"rootfs":{"type":"layers","diff_ids":[$diff_ids]},
"history":[{"created":"$created","created_by":"base-files and busybox"},
{"created":"$created","created_by":"netbase, /usr/local/bin/hello, su and ping"},
{"created":"$created","created_by":"remove /usr/share/doc, replace /etc/motd"},
{"created":"$created","created_by":"CMD [\"/bin/sh\"]","empty_layer":true}]}
EOF
config=$(sha256sum <"$work/config" | cut -d' ' -f1).json
mv "$work/config" "$work/archive/$config"
printf '[{"Config":"%s","RepoTags":["%s"],"Layers":[%s]}]\n' "$config" "$name" "$layers" \
  >"$work/archive/manifest.json"
tar --create --file "$out" --directory "$work/archive" --sort=name --numeric-owner --owner=0 \
  --group=0 --mtime=@0 .
