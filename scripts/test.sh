#!/bin/sh
# Installs what the tests need, builds, runs every test and says what was skipped and why.
# usage: scripts/test.sh [preset] [ctest options]     (presets: dev, asan, tsan)
set -eu
cd "$(dirname "$0")/.."

preset=dev
case ${1:-} in
  dev | asan | tsan) preset=$1; shift ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  echo "scripts/test.sh: run it as root: tests mount, use namespaces and install packages" >&2
  exit 1
fi

scripts/install_packages.sh build test

cmake --preset "$preset"
cmake --build --preset "$preset"

results=build/$preset/results.xml
rm -f "$results"
status=0
ctest --preset "$preset" -j "$(nproc)" --no-tests=error --output-junit results.xml "$@" || status=$?
python3 scripts/test_summary.py "build/$preset" "$results" || status=1
exit "$status"
