#!/bin/sh
# Boots Debian 12's kernel with the unified cgroup hierarchy in a virtual machine (no KVM needed) and
# runs there what depends on them: limits, containers, layer stores, union mounts.
# usage: scripts/test-vm.sh     (as root: it installs the packages it needs)
set -eu
cd "$(dirname "$0")/.."
scripts/install_packages.sh build test
cmake --preset dev
cmake --build --preset dev
exec ctest --preset dev -R '^e2e\.virtual_machine$' --no-tests=error --verbose
