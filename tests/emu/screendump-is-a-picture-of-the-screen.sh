#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The monitor's screendump writes a PNG of what is on the screen: 720 by 400
# in text mode, light letters on black where video memory has letters, black
# where it has none; another picture when the screen has changed.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires python3 gcc ld
"$SRC/tests/emu/guests/build" hello hello.bin
cat >look.py <<'END'
import struct, sys, zlib

def picture(name):
    data = open(name, 'rb').read()
    assert data[:8] == b'\x89PNG\r\n\x1a\n', 'no PNG'
    at, packed = 8, b''
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack('>I', data[at + 8 + n:at + 12 + n])[0]
        at += 12 + n
        if kind == b'IHDR':
            w, h, depth, colour, _, _, lace = struct.unpack('>IIBBBBB', body)
            assert depth == 8 and lace == 0 and colour in (2, 6), (depth, colour, lace)
            size = 3 if colour == 2 else 4
        elif kind == b'IDAT':
            packed += body
    raw, rows, before = zlib.decompress(packed), [], bytes(w * size)
    for y in range(h):
        how, line = raw[y * (w * size + 1)], bytearray(raw[y * (w * size + 1) + 1:(y + 1) * (w * size + 1)])
        for x in range(w * size):
            a = line[x - size] if x >= size else 0
            b = before[x]
            c = before[x - size] if x >= size else 0
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, near)[how]) & 255
        rows.append(line)
        before = line
    return w, h, size, rows

w, h, size, rows = picture(sys.argv[1])
assert (w, h) == (720, 400), (w, h)
text = [line.rstrip('\n') for line in open(sys.argv[2])]
cursor = wrong = 0
for y in range(25):
    for x in range(80):
        cell = [tuple(rows[y * 16 + j][(x * 9 + i) * size:(x * 9 + i) * size + 3])
                for j in range(16) for i in range(8)]
        lit = sum(c != (0, 0, 0) for c in cell)
        if text[y][x] == ' ':
            # The cursor is two lines of one cell.
            if lit and lit <= 24:
                cursor += 1
            elif lit:
                wrong += 1
        elif lit < 3 or lit > 100:
            wrong += 1
assert cursor <= 1, 'more than one cursor'
assert wrong == 0, '%d cells are not as in video memory' % wrong
END

cp hello.bin disk.raw
truncate -s 16M disk.raw
guest_start -m 32 -nic none -drive file=disk.raw,format=raw,if=ide
guest_wait_screen '^Press a key'
guest_screen >text
guest_shot "$TEST_TMP/one.png"
python3 look.py one.png text
guest_keys ret
guest_until 20 eval 'guest_screen >text2 &&
    [ "$(grep -c "^Press a key" text2)" -eq 2 ]' ||
    guest_fail "it did not start again"
guest_screen >text
guest_shot "$TEST_TMP/two.png"
python3 look.py two.png text
! cmp -s one.png two.png || fail "the picture has not changed"
guest_quit
