# Runs in the virtual machine; each line of the output that starts with "result" is looked at.
ulimit -n 4096
result() { echo "result $1: $2"; }

result controllers "$(cat /sys/fs/cgroup/cgroup.controllers)"
imagetool load -q -i /demo.tar
result version "$(imagetool info --format '{{.CgroupVersion}}')"

# Each step keeps one more MiB in the shell and says how many it has.
eater='s=; m=$(head -c 1048576 /dev/zero | tr "\0" x); i=0
while [ $i -lt 200 ]; do s=$s$m; i=$((i+1)); echo $i; done'
imagetool run --name eater -m 30m demo sh -c "$eater" >/tmp/steps
result memory-exit "$?"
result memory-steps "$(tail -n 1 /tmp/steps)"
result memory-oom "$(imagetool inspect --format '{{.State.OOMKilled}}' eater)"

result limits "$(imagetool run --rm -m 64m --memory-swap 96m --cpus 0.5 --cpu-shares 512 --pids-limit 33 demo \
  sh -c 'cd /sys/fs/cgroup && cat memory.max memory.swap.max cpu.max cpu.weight pids.max' | tr '\n' ' ')"

bomb='i=0; while [ $i -lt 60 ]; do sleep 3 & i=$((i+1)); done; ls -d /proc/[0-9]* | wc -l'
imagetool run --rm --pids-limit 20 demo sh -c "$bomb" >/tmp/count 2>/tmp/errors
result pids-count "$(cat /tmp/count)"
result pids-refused "$(grep -c fork /tmp/errors)"

# A second of work at half a processor: the kernel tells how often it held the loop back.
result cpu-throttled "$(imagetool run --rm --cpus 0.5 demo \
  sh -c 'timeout 3 sh -c "while :; do :; done"; grep nr_throttled /sys/fs/cgroup/cpu.stat')"

# AppArmor, where a host has it: by imagetool, by the runtime, and by its exec.
apparmor_parser --skip-cache --add <<'EOF'
profile layerkit-test flags=(attach_disconnected,mediate_deleted) {
  file, capability, signal, network, mount, ptrace,
  deny /tmp/denied w,
}
EOF
confined='--security-opt apparmor=layerkit-test'
result apparmor-profile "$(imagetool run --rm $confined demo cat /proc/self/attr/apparmor/current)"
result apparmor-denied "$(imagetool run --rm $confined demo touch /tmp/denied 2>&1)"
result apparmor-unknown "$(imagetool run --rm --security-opt apparmor=no-such-profile demo true 2>&1)"

# The runtime, with the root file system of the image and a config.json of its own.
mkdir -p /bundle/rootfs
cp -a "$(imagetool mount demo)/." /bundle/rootfs
imagetool unmount demo
runner spec -b /bundle
sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"sh"/"sleep", "1000"/' \
  -e 's/"noNewPrivileges"/"apparmorProfile": "layerkit-test", "noNewPrivileges"/' /bundle/config.json
runner run -d -b /bundle c1
runner update --pids-limit 33 --cpu-quota 50000 --cpu-period 100000 c1
result apparmor-exec "$(runner exec c1 cat /proc/self/attr/apparmor/current)"
result runner-cgroup "$(runner exec c1 sh -c 'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max' | tr '\n' ' ' | sed 's/ $//')"
result runner-inheritable "$(runner exec --cap CAP_SYS_BOOT c1 grep CapInh: /proc/self/status | tr '\t' ' ')"
runner delete -f c1

# The profile is set by the kernel's own /proc, whatever the container has there (CVE-2019-16884).
mkdir -p /fake/self/attr/apparmor
: >/fake/self/attr/apparmor/exec
sed -i -e 's/"type": "proc"/"type": "bind"/' -e 's/"source": "proc"/"source": "\/fake"/' /bundle/config.json
runner run -d -b /bundle --pid-file /tmp/pid c2
result apparmor-other-proc "$(cat "/proc/$(cat /tmp/pid)/attr/apparmor/current")$(cat /fake/self/attr/apparmor/exec)"
runner delete -f c2
# In a user namespace that allows no other, exec refuses.
ids='[{"containerID": 0, "hostID": 100000, "size": 1000}]'
sed -i -e "s/\"namespaces\": \[/\"uidMappings\": $ids, \"gidMappings\": $ids, &{\"type\": \"user\"},/" /bundle/config.json
runner run -d -b /bundle c3
result apparmor-no-proc "$(runner exec c3 true 2>&1)$(cat /fake/self/attr/apparmor/exec)"
runner delete -f c3

imagetool run -d --name sleeper demo sleep 1000 >/dev/null
imagetool kill sleeper
imagetool rm -f sleeper eater >/dev/null
result leftover-cgroups "$(find /sys/fs/cgroup/layerkit -mindepth 1 -type d 2>/dev/null | wc -l)"
result leftover-mounts "$(grep -c /var/lib/layerkit /proc/self/mountinfo)"

# What runner_faults_test.py does, for cgroups, programs for their devices, and processes born in them.
# Of the program that IMAGETOOL names it is only asked how it was built.
IMAGETOOL=/bin/fail_at_syscall RUNNER=/bin/runner FAIL_AT_SYSCALL=/bin/fail_at_syscall PYTHONHOME=/python \
  LAYERKIT_FAULT_CALLS='^parent ((mkdir|rmdir|unlinkat|write) /sys/fs/cgroup|bpf|clone3)' \
  python3 /python/runner_faults_test.py ParentTest.test_create ParentTest.test_delete KilledTest \
  ExecTest.test_parent >/tmp/faults 2>&1
result faults-exit "$?"
result faults-runs "$(awk '/ runs$/ { runs += $(NF - 1) } END { print runs + 0 }' /tmp/faults)"
grep -q '^OK' /tmp/faults || cat /tmp/faults

# Of a program's output the tests that failed, the one that did not get to its end, and the summary.
failures() {
  awk '/^\[ RUN / || /\[       OK \]/ || /\[  SKIPPED \]/ { block = "" }
    !/\[       OK \]/ && !/\[  SKIPPED \]/ { block = block $0 "\n" }
    /\[  FAILED  \]/ { printf "%s", block; block = "" }
    END { printf "%s", block }' "$1"
}

for program in /tests/*; do
  "$program" >/tmp/output 2>&1
  code=$?
  result "exit-of-${program##*/}" "$code"
  [ "$code" = 0 ] && continue
  result "failed-of-${program##*/}" "$(sed -n 's/^\[  FAILED  \] \(.*\) (.*ms)$/\1/p' /tmp/output | tr '\n' ';')"
  failures /tmp/output
done
