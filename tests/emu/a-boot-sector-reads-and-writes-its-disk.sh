#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A boot sector of our own greets, reads the sector behind it and writes the
# next: from a qcow2 as IDE disk, as virtio disk, and from a floppy; and what
# it wrote is in the image.  A key starts it again.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires gcc ld
"$SRC/tests/emu/guests/build" hello hello.bin
[ "$(stat -c %s hello.bin)" -eq 1536 ] || fail "the guest has a wrong size"
sum=$(tail -c +513 hello.bin | head -c 512 | od -An -v -tu1 |
    awk '{ for (i = 1; i <= NF; i++) s += $i } END { printf "%04X", s }')

# try DRIVE SIZE ARG...
try() {
	local drive=$1 size=$2
	shift 2
	cp hello.bin disk.raw
	truncate -s "$size" disk.raw
	rm -f disk.qcow2
	"$COWBIRD_IMG" convert -f raw -O qcow2 disk.raw disk.qcow2
	guest_start -m 32 -nic none "$@"
	guest_wait "^Hello from cowbird! Drive $drive"
	guest_wait '^This is sector 1 of the disk\.'
	guest_wait "^Its sum is $sum"
	guest_wait '^Written and read back: This is sector 1'
	guest_wait_screen '^Hello from cowbird!'
	guest_wait_screen '^Press a key'
	guest_mark_serial
	guest_keys ret
	guest_wait '^Hello from cowbird!'
	guest_wait '^Press a key'
	guest_quit
	"$COWBIRD_IMG" check -q disk.qcow2
	"$COWBIRD_IMG" convert -f qcow2 -O raw disk.qcow2 after.raw
	cmp -s <(tail -c +1025 after.raw | head -c 512 | tr -d '\377' |
	    od -An -v -tu1 | tr -s ' ' '\n' |
	    awk 'NF { printf "%c", 255 - $1 }') \
	    <(printf 'This is sector 1 of the disk.\r\n') ||
	    fail "the third sector of drive $drive is not as written"
}

try 80 16M -hda disk.qcow2
try 80 16M -drive file=disk.qcow2,format=qcow2,if=virtio
try 00 1440K -drive file=disk.qcow2,format=qcow2,if=floppy,index=0 -boot a
