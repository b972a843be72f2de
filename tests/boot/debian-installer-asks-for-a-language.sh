#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's netboot installer (kernel and initrd of Debian's package) comes up
# to its first screen on VGA text; and on the serial line, where a key takes it
# to the second.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

guest_needs debian-installer-12-netboot-amd64
set -- "$GUESTS"/packages/debian-installer-12-netboot-amd64/usr/lib/*
set -- "$1"/images/12/amd64/text/debian-installer/amd64
kernel=$1/linux initrd=$1/initrd.gz

# Text mode, else its graphics driver would draw letters.
guest_start -m 1024 -nic none -kernel "$kernel" -initrd "$initrd" \
    -append "vga=normal nomodeset"
guest_wait_screen 'Select a language' 240 204
guest_wait_screen 'Choose the language to be used' 20 204
guest_keys tab tab
guest_screen_has 'English  *-  *English' 204 || guest_fail "no list"
guest_quit

export GUEST_SERIAL=socket
guest_start -m 1024 -nic none -kernel "$kernel" -initrd "$initrd" \
    -append "console=ttyS0"
guest_wait 'Select a language' 240
guest_mark_serial
guest_send ''
guest_wait 'Select your location|Select a location' 60
guest_quit
