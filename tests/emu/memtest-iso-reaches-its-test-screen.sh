#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The memtest86+ ISO of Debian's package boots from -cdrom, tests memory and
# finds no errors; Escape reboots the machine, which -no-reboot ends.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

guest_needs memtest86+
iso=$GUESTS/packages/memtest86+/usr/lib/memtest86+/memtest86+x64.iso

guest_start -m 32 -nic none -no-reboot -cdrom "$iso"
guest_wait_screen '^ +Memtest86\+ v[0-9]'
guest_wait_screen 'Status: Testing'
guest_wait_screen 'Test #[1-9]' 40
guest_screen_has 'Errors: 0 ' || guest_fail "memtest86+ finds errors"
guest_keys esc
guest_ends 10
