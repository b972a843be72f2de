#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The GRUB rescue ISO of Debian's package boots from -cdrom to its menu; its
# command line takes keys, sees the CD and powers the machine off.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

guest_needs grub-rescue-pc
iso=$GUESTS/packages/grub-rescue-pc/usr/lib/grub-rescue/grub-rescue-cdrom.iso

guest_start -m 64 -nic none -cdrom "$iso" -boot d
guest_wait_screen 'GNU GRUB +version 2'
guest_wait_screen 'Use the .* keys to select'
guest_keys c
guest_wait_screen '^ *grub> '
guest_type "ls -l"
guest_wait_screen 'cd.*iso9660'
guest_type "halt"
guest_ends
