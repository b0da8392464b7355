#!/bin/sh
# Checks the rules of docs/ARCHITECTURE.md that a compiler does not: prints one line per violation,
# `file:line: what is wrong`, and fails when there is one.
#
# usage: check_structure.sh SOURCE_DIR
set -eu
cd "$1"

rooms="base cli layerstore unionmount runner imagetool"

sources() {
  for room in $rooms; do
    if [ -d "$room" ]; then
      find "$room" \( -name '*.cc' -o -name '*.h' -o -name CMakeLists.txt \) -print
    fi
  done | LC_ALL=C sort
}

# Comments and the contents of string literals say nothing about the code.
# shellcheck disable=SC2016
program='
function report(what) {
  printf "%s:%d: %s\n", FILENAME, FNR, what
  violations++
}

function code_of(line) {
  gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
  sub(in_cmake ? "#.*" : "//.*", "", line)
  return line
}

function check_arrow(used) {
  if ((used in is_room) && !((room, used) in may_use))
    report(room " must not use " used)
}

BEGIN {
  room_count = split("base cli layerstore unionmount runner imagetool", rooms)
  for (i = 1; i <= room_count; i++) {
    is_room[rooms[i]]
    may_use[rooms[i], rooms[i]]
    may_use[rooms[i], "base"]
    may_use["imagetool", rooms[i]]
  }
  # Their programs do; the libraries do not link it.
  may_use["unionmount", "cli"]
  may_use["runner", "cli"]
  # Calls that only Linux has; POSIX calls may stand anywhere.
  # Names that are ordinary words count only with "::" in front.
  rare = "syscall|openat2|statx|umount2?|pivot_root|unshare|setns|clone3|" \
         "fsopen|fsconfig|fsmount|fspick|move_mount|open_tree|mount_setattr|name_to_handle_at|" \
         "renameat2|[fl]?(get|set|list|remove)xattr|copy_file_range|" \
         "memfd_create|pidfd_[a-z_]*|close_range|prctl|capget|capset|seccomp|inotify_[a-z_0-9]*|" \
         "signalfd|eventfd|timerfd_[a-z]*|epoll_[a-z0-9]*"
  plain = "mount|chroot|clone|fallocate|statfs|fstatfs|sethostname|setrlimit|prlimit|splice|" \
          "sendfile|syncfs|dup3"
  raw_call = "(^|[^A-Za-z0-9_>.:])((::)?(" rare ")|::(" plain "))[ ]*\\("
  # Whatever of an image is read is read by our own code: no helper programs, no plug-ins, and no
  # name services, which load them.
  foreign_call = "(^|[^A-Za-z0-9_>.])(popen|system|posix_spawnp?|exec[lv]p?e?|dlopen|" \
                 "get(pw|gr)(nam|uid|gid|ent)(_r)?|getgrouplist|initgroups|getaddrinfo|" \
                 "gethostby[a-z]+|wordexp)[ ]*\\("
  print_call = "std::(cout|cerr|clog)|fmt::v?print|" \
               "(^|[^A-Za-z0-9_>.])(v?f?printf|v?dprintf|f?puts|f?putc|putchar|perror)[ ]*\\("
}

FNR == 1 {
  room = FILENAME
  sub(/\/.*/, "", room)
  file = FILENAME
  sub(/.*\//, "", file)
  in_cmake = file == "CMakeLists.txt"
  is_public = index(FILENAME, room "/include/") == 1
  # Starts the server of a FUSE union (our own program) and fusermount3, by absolute path.
  # Runs the CNI plugins that the system administrator has configured, by absolute path.
  may_execute = FILENAME == "unionmount/src/server/start_program_linux.cc" ||
                FILENAME == "imagetool/src/cni/cni_process_linux.cc"
  may_call = room == "base" || file ~ /_linux\.cc$/
  may_print = file == "main.cc" || file ~ /^cmd_.*\.cc$/ || room == "cli" ||
              FILENAME ~ /^(imagetool|runner|unionmount)\/src\/cli\//
}

in_cmake {
  rest = code_of($0)
  while (match(rest, /layerkit(::|_)[a-z]+/)) {
    used = substr(rest, RSTART, RLENGTH)
    sub(/^layerkit(::|_)/, "", used)
    check_arrow(used)
    rest = substr(rest, RSTART + RLENGTH)
  }
  next
}

/^[ \t]*#[ \t]*include/ {
  if ($0 ~ /\.\.\//)
    report("an include must not climb out of its directory")
  if (match($0, /layerkit\/[a-z]+\//))
    check_arrow(substr($0, RSTART + 9, RLENGTH - 10))
  else if (is_public && $0 ~ /include[ \t]*"/)
    report("a public header must include only public headers")
  if ($0 ~ /["<](tests|bench|gtest|gmock)\//)
    report("the product must not know its tests")
  next
}

{
  code = code_of($0)
  if (!may_call && code ~ raw_call)
    report("a Linux system call belongs in base or in a _linux.cc file")
  if (!may_execute && code ~ foreign_call)
    report("no foreign code: neither helper programs nor plug-ins nor name services")
  if (!may_print && code ~ print_call)
    report("only main.cc, cmd_*.cc and the command line may print")
}

END { exit violations > 0 }
'

# shellcheck disable=SC2046 # file names of this project are single words
awk "$program" $(sources)
