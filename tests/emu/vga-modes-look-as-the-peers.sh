#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The BIOS sets text, planar, 256-colour and VBE modes and writes a line in
# each: the screen is the peer's, pixel for pixel.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"
requires qemu-system-x86_64 gcc ld

# boot AX BX: a boot sector that sets this mode and writes in colours.
boot() {
	cat >mode.S <<END
.code16
.globl _start
_start:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov \$0x7c00, %sp
	mov \$$1, %ax
	mov \$$2, %bx
	int \$0x10
	mov \$0x2000, %cx
	mov \$1, %ah		# no cursor: it blinks
	int \$0x10
	mov \$text, %si
1:	lodsb
	test %al, %al
	jz 2f
	mov \$0x0e, %ah
	inc %cx
	mov %cl, %bl
	and \$15, %bx
	or \$1, %bx
	int \$0x10
	jmp 1b
2:	mov \$'!', %al		# to the port for messages: it is done
	out %al, \$0xe9
3:	hlt
	jmp 3b
text:	.asciz "Hello, screen 0123456789\r\nsecond line\r\n"
.org 510
	.word 0xaa55
END
	gcc -m32 -c mode.S -o mode.o
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o mode.bin mode.o
	truncate -s 1M mode.bin
}

shot() {
	rm -f said
	guest_start -m 32 -nic none -debugcon file:said \
	    -drive file=mode.bin,format=raw,if=ide
	guest_until 20 grep -aqs '!$' said || guest_fail "$1: no end"
	guest_shot "$TEST_TMP/$1"
	guest_quit
}

pixels() {
	python3 - "$1" <<'END'
import sys, zlib, struct
data, at, packed = open(sys.argv[1], 'rb').read(), 8, b''
while at < len(data):
    n, kind = struct.unpack('>I4s', data[at:at + 8])
    body, at = data[at + 8:at + 8 + n], at + 12 + n
    if kind == b'IHDR':
        w, h, depth, colour = struct.unpack('>IIBB', body[:10])
    elif kind == b'IDAT':
        packed += body
size, raw, before = {2: 3, 6: 4}[colour], zlib.decompress(packed), None
before, out = bytes(w * size), bytearray()
for y in range(h):
    how, line = raw[y * (w * size + 1)], bytearray(raw[y * (w * size + 1) + 1:(y + 1) * (w * size + 1)])
    for x in range(w * size) if how else ():
        a = line[x - size] if x >= size else 0
        b, c = before[x], before[x - size] if x >= size else 0
        near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        line[x] = (line[x] + (0, a, b, (a + b) // 2, near)[how]) & 255
    for i in range(0, w * size, size):
        out += line[i:i + 3]
    before = line
print(w, h, zlib.crc32(out))
END
}

requires python3
ours=("${guest_command[@]}")
for mode in '0x03 0' '0x04 0' '0x06 0' '0x0d 0' '0x12 0' '0x13 0' \
    '0x4f02 0x101' '0x4f02 0x114' '0x4f02 0x4115' '0x4f02 0x4118'; do
	# shellcheck disable=SC2086
	boot $mode
	guest_command=("${ours[@]}")
	shot ours.png
	guest_command=(qemu-system-x86_64 -accel tcg)
	shot peer.png
	same_text "$(pixels peer.png)" "$(pixels ours.png)" "mode $mode"
done
