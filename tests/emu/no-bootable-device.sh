#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine without any disk says "No bootable device"; so does one whose disk
# is empty.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

guest_start -m 64 -nic none
guest_wait_screen '^SeaBIOS \(version '
guest_wait_screen '^No bootable device\.'
guest_quit

"$COWBIRD_IMG" create -q -f qcow2 empty.qcow2 64M
guest_start -m 64 -nic none -boot menu=off \
    -drive file=empty.qcow2,format=qcow2,if=ide
guest_wait_screen 'Boot failed: not a bootable disk'
guest_wait_screen '^No bootable device\.'
guest_quit
