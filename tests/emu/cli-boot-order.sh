#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -boot says what is booted: an order, another one for the first start alone;
# bootindex beats it.  -no-reboot ends where a reset would be, -no-shutdown keeps
# a machine that was switched off.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires gcc ld
"$SRC/tests/emu/guests/build" hello disk
cp disk floppy
cp disk second
truncate -s 1440K floppy
truncate -s 1M disk second
drives=(-drive "file=floppy,format=raw,if=floppy"
    -drive "file=disk,format=raw,if=ide")

guest_start -m 32 "${drives[@]}" -boot c
guest_wait 'Drive 80'
guest_quit

guest_start -m 32 "${drives[@]}" -boot order=ac
guest_wait 'Drive 00'
guest_quit

guest_start -m 32 "${drives[@]}" -boot order=c,once=a
guest_wait 'Drive 00'
guest_wait 'Press a key'
guest_mark_serial
guest_tell system_reset
guest_wait 'Drive 80'
guest_wait 'Press a key'
guest_mark_serial
guest_tell system_reset
guest_wait 'Drive 80'
guest_quit

# The second of two disks; the BIOS calls it 80h then.
printf 'SECOND' | dd of=second bs=1 seek=520 conv=notrunc status=none
guest_start -m 32 -drive file=disk,format=raw,if=virtio \
    -drive file=second,format=raw,if=none,id=b \
    -device virtio-blk-pci,drive=b,bootindex=0
guest_wait 'SECOND'
guest_quit

guest_start -m 32 "${drives[@]}" -boot c -no-reboot
guest_wait 'Press a key'
guest_tell system_reset
guest_ends

"$SRC/tests/emu/guests/build" demo disk
truncate -s 1M disk
guest_start -m 32 -hda disk -no-shutdown
guest_wait 'Good night'
stopped() {
	guest_tell "info status"
	sleep 0.2
	grep -aq 'VM status: paused' "$GUEST/monitor"
}
guest_until 10 stopped || guest_fail "the machine is not stopped"
guest_quit
