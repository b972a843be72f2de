#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian 12 with -smp 4 has four processors, uses them all at a time for work
# on its disk, and powers off.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"
. "$SRC/tests/boot/debian.inc"

debian_disk disk.qcow2
debian_boot -m 1024 -smp 4 -drive file=disk.qcow2,format=qcow2,if=virtio
debian_login
debian_run 'test "$(nproc)" = 4'
debian_run 'for c in 0 1 2 3; do
    (taskset -c $c sh -c "dd if=/dev/urandom of=/root/$c bs=64k count=64
    conv=fsync 2>/dev/null; sha256sum /root/$c >/root/$c.sum") & done; wait' 200
debian_run 'cd /root && sha256sum --quiet -c 0.sum 1.sum 2.sum 3.sum' 100
# Each had timer interrupts of its own.
debian_run 'grep LOC: /proc/interrupts | awk "{ exit !(\$2 && \$3 && \$4 && \$5) }"'
debian_run 'test "$(dmesg | grep -ciE "soft lockup|rcu.*stall")" = 0'
debian_off disk.qcow2
