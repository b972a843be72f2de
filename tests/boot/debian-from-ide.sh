#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian 12 on an IDE disk comes up through BIOS and GRUB to a login on the
# serial line and on the screen; it writes files, syncs and powers off; the
# image is sound; an overlay over it starts again and has the files.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"
. "$SRC/tests/boot/debian.inc"

debian_disk disk.qcow2
debian_boot -m 1024 -hda disk.qcow2
debian_login
debian_run "grep -q '^/dev/sda1 / ext4' /proc/mounts"
debian_run "cp -a /usr/share/doc /root/doc && sync"
debian_run "cd /root && find doc -type f | sort | xargs sha256sum >sums"
debian_run "sync; sha256sum <sums"
guest_serial_has '^[0-9a-f]{64}' || guest_fail "no sum"
sum=$(<"$GUEST/match")
debian_off disk.qcow2

"$COWBIRD_IMG" create -q -f qcow2 -b disk.qcow2 -F qcow2 second.qcow2
debian_boot -m 1024 -hda second.qcow2
debian_login
debian_run "cd /root && sha256sum <sums && sha256sum --quiet -c sums" 200
guest_serial_has "^$sum" || guest_fail "another sum in the overlay"
debian_run "test \$(journalctl -q -k -p err -b | grep -c 'I/O error') = 0"

# On the screen, by the keyboard.
guest_type root
guest_wait_screen '^root@cowbird-guest:~#' 60 204
guest_type "echo typed > /root/typed"
guest_type "sync"
debian_run "until [ -s /root/typed ]; do sleep 1; done; cat /root/typed"
guest_serial_has '^typed$' || guest_fail "something else was typed"
debian_off second.qcow2
"$COWBIRD_IMG" check -q disk.qcow2
