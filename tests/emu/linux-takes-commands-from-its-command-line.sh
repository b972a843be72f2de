#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What -append says reaches the guest, quotes included: it runs the commands
# there, or those on a disk that is named there, and powers off.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

guest_linux
printf 'echo from a disk\nexit 7\n' >script.raw
truncate -s 1M script.raw
guest_start -m 192 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append 'console=ttyS0 quiet "run=ls /dev/vda; exit 3"' \
    -drive file=script.raw,format=raw,if=virtio
guest_wait '^/dev/vda' 50
guest_wait '^guest: done 3'
guest_ends
guest_start -m 192 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append 'console=ttyS0 quiet script=/dev/vda' \
    -drive file=script.raw,format=raw,if=virtio
guest_wait '^from a disk' 50
guest_wait '^guest: done 7'
guest_ends
