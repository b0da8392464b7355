#!/bin/busybox sh
# First process of the virtual machine of virtual_machine_test.py. A root that is an initramfs cannot be
# pivoted away from, so everything moves to a tmpfs first.
set -eu
if [ "${1:-}" != moved ]; then
  busybox mount -t tmpfs -o size=1G,mode=755 tmpfs /new
  for name in bin tests python lib lib64 usr guest_init.sh guest_test.sh demo.tar overlay.ko; do
    [ ! -e "/$name" ] || busybox cp -a "/$name" /new/
  done
  exec busybox switch_root /new /guest_init.sh moved
fi
busybox mkdir -p /proc /sys /dev /tmp /run /etc /var/lib
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t securityfs securityfs /sys/kernel/security
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
[ ! -e /overlay.ko ] || busybox insmod /overlay.ko
busybox --install -s /bin
export PATH=/bin
# Between the two marks stands what the test gets to see.
echo '=== begin'
sh /guest_test.sh </dev/null 2>&1 || echo "guest_test.sh: exit $?"
echo '=== end'
poweroff -f
