#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian 12 comes up with -m 256 on IDE and with -m 4096 on virtio, which
# lies on both sides of the hole for PCI, and sees that much memory.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"
. "$SRC/tests/boot/debian.inc"

# What the kernel keeps for itself from the start is not in MemTotal.
has() {
	debian_run "awk '/MemTotal/ { exit !(\$2 > $1 * 1024 * 0.7 &&
	    \$2 <= $1 * 1024) }' /proc/meminfo"
}

debian_disk disk.qcow2
debian_boot -m 256 -hda disk.qcow2
debian_login
has 256
debian_off disk.qcow2

debian_boot -m 4096 -drive file=disk.qcow2,format=qcow2,if=virtio
debian_login
has 4096
debian_run "grep -q '100000000-.*System RAM' /proc/iomem"
debian_run "dd if=/dev/urandom of=/dev/shm/big bs=1M count=128 2>/dev/null &&
    cp /dev/shm/big /root/big && sync && cmp /dev/shm/big /root/big" 300
debian_off disk.qcow2
