#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian 12 on a virtio disk comes up to a login; it writes files and syncs; the
# power button (system_powerdown) switches it off cleanly; the image is sound
# and the next start finds the files and nothing to repair.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"
. "$SRC/tests/boot/debian.inc"

debian_disk disk.qcow2
debian_boot -m 1024 -drive file=disk.qcow2,format=qcow2,if=virtio
debian_login
debian_run "grep -q '^/dev/vda1 / ext4' /proc/mounts"
debian_run "cp -a /usr/share/doc /root/doc && cd /root &&
    find doc -type f | sort | xargs sha256sum >sums && sync" 200
debian_run "fstrim -v / || true"
guest_mark_serial
guest_tell system_powerdown
guest_ends 120
guest_serial_has 'Power down' || guest_fail "it did not say Power down"
"$COWBIRD_IMG" check -q disk.qcow2

debian_boot -m 1024 -drive file=disk.qcow2,format=qcow2,if=virtio
! guest_serial_has 'recovering journal' || guest_fail "it was not clean"
debian_login
debian_run "cd /root && sha256sum --quiet -c sums" 200
guest_mark_serial
# A reboot by the guest stays in the same process.
guest_send reboot
guest_wait 'Linux version 6\.1\.' 200
guest_wait '^cowbird-guest login: ' 400
debian_login
debian_off disk.qcow2
