#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A floppy with syslinux boots from -fda to its prompt, lists what it was told
# to, and loads a multiboot kernel of our own from the FAT; as raw image and as
# qcow2.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires syslinux mformat mcopy gcc ld
modules=/usr/lib/syslinux/modules/bios
[ -e $modules/mboot.c32 ] || skip "needs syslinux-common"
"$SRC/tests/emu/guests/build" multiboot kernel.elf
cat >syslinux.cfg <<'END'
PROMPT 1
TIMEOUT 0
DISPLAY hello.txt
LABEL kernel
	KERNEL mboot.c32
	APPEND kernel.elf from=floppy
END
printf 'A floppy of ours.\r\n' >hello.txt
mformat -C -f 1440 -i floppy.img ::
syslinux --install floppy.img
mcopy -i floppy.img syslinux.cfg hello.txt kernel.elf $modules/mboot.c32 \
    $modules/libcom32.c32 ::

guest_start -m 64 -nic none -drive file=floppy.img,format=raw,if=floppy
guest_wait_screen '^SYSLINUX [0-9.]+'
guest_wait_screen '^A floppy of ours\.'
guest_wait_screen '^boot: '
guest_type nothing
guest_wait_screen 'nothing.* failed: No such file'
guest_quit

"$COWBIRD_IMG" convert -f raw -O qcow2 floppy.img floppy.qcow2
guest_start -m 64 -nic none -fda floppy.qcow2 \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04
guest_wait_screen '^boot: '
guest_type kernel
guest_wait '^command \[kernel.elf from=floppy\]' 40
guest_wait '^state OK'
guest_wait '^done'
guest_until 10 guest_gone || guest_fail "isa-debug-exit does not exit"
"$COWBIRD_IMG" check -q floppy.qcow2
