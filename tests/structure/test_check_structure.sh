#!/bin/sh
# The check finds every planted violation and nothing else.
set -u
here=$(dirname "$0")
if found=$("$here/check_structure.sh" "$here/violations"); then
  echo "the check passed a tree full of violations"
  exit 1
fi
printf '%s\n' "$found" | diff -u "$here/violations/expected.txt" -
