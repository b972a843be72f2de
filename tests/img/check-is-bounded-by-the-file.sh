#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tables that name one another over and over, and files that are mostly hole,
# cost check no more time and memory than what is in the file is worth.
. "$(dirname "$0")/../lib.sh"

requires python3
requires_plain_build

cat >make.py <<'END'
import array
import struct

COPIED = 1 << 63

def words(first, step, n):
    if not step:
        return struct.pack('>Q', COPIED | first) * n
    first |= COPIED
    a = array.array('Q', range(first, first + step * n, step))
    a.byteswap()
    return a.tobytes()

def image(path, bits, size, l1, l1_at, table, clusters, snapshots, parts,
          end):
    with open(path, 'wb') as f:
        f.write(struct.pack('>IIQIIQIIQQIIQQQQII', 0x514649fb, 3, 0, 0, bits,
                            size, 0, l1, l1_at, table, clusters,
                            *snapshots, 0, 0, 0, 4, 104) + bytes(8))
        for at, data in parts:
            f.seek(at)
            f.write(data)
        f.truncate(end)

def snapshot(l1_at, l1):
    return struct.pack('>QIHHIIQII', l1_at, l1, 1, 1, 0, 0, 0, 0, 16) + \
        bytes(16) + b'1a' + bytes(6)

M, G, T = 1 << 20, 1 << 30, 1 << 40
image('snapshots-of-one-table', 16, G, 2, 0x30000, 0x10000, 1,
      (65536, 16 * M),
      [(16 * M, snapshot(256 * M, 4 * M) * 65536),
       (256 * M, words(0x40000, 0, 4 * M)),
       (0x40000, words(0x50000, 0, 8192))], 300 * M)
image('snapshots-of-shifted-tables', 9, M, 32, 0x3000, 0x1000, 1,
      (65536, 16 * M),
      [(16 * M, b''.join(snapshot(256 * M + 512 * i, 4 * M)
                         for i in range(65536))),
       (256 * M, words(0x4000, 0, 8 * M))], 322 * M)
image('one-table-for-all', 21, 1 << 50, 4 * M, 64 * M, 2 * M, 1, (0, 0),
      [(64 * M, words(8 * M, 0, 4 * M)), (8 * M, words(10 * M, 0, 1 << 18))],
      128 * M)
image('tables-in-holes', 21, 1 << 50, 4 * M, 64 * M, 2 * M, 1, (0, 0),
      [(64 * M, words(256 * M, 2 * M, 4 * M))], 8 * T)
image('refcounts-in-one-block', 9, M, 32, 0x3000, 0x100000, 2048, (0, 0),
      [(0x100000, struct.pack('>Q', 0x200) * 131072), (0x200, b'\1' * 512)],
      15 * T)
image('references-everywhere', 16, 1 << 38, 1024, 0x30000, 0x10000, 1,
      (0, 0),
      [(0x30000, words(M, 65536, 1024))] +
      [(M + 65536 * i, words(8 * T - G - 65536 * i, -4096 * 65536, 2048))
       for i in range(1024)], 8 * T)
image('a-hole-of-15T', 9, M, 32, 0x3000, 0x1000, 1, (0, 0),
      [(0x3000, words(0x4000, 0, 1))], 15 * T)
END
python3 make.py 2>stderr || skip "such files cannot be made here"

for image in snapshots-of-one-table snapshots-of-shifted-tables \
    one-table-for-all tables-in-holes refcounts-in-one-block \
    references-everywhere a-hole-of-15T; do
	rc=0
	(ulimit -v 600000; ulimit -t 10
	 "$COWBIRD_IMG" check $image >stdout 2>stderr) || rc=$?
	case $rc in
	1 | 2) ;;
	*)
		tail -3 stdout stderr
		fail "$image: exit code $rc" ;;
	esac
	[ "$(stat -c %s stderr)" -lt 20000000 ] || fail "$image: too many words"
done
