#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A compressed file as the source of convert is its contents: gzip, bzip2, xz
# and zstd, of one piece or many, several files in one, zeros staying holes.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/unpack.so" ] || skip "needs the module unpack"
requires gzip bzip2 xz zstd python3

random_file disk.raw 700K
truncate -s 4M disk.raw
dd if=/dev/urandom of=disk.raw bs=512K seek=5 count=1 conv=notrunc 2>/dev/null

is_disk() {
	quiet $COWBIRD_IMG convert "$@" out
	same_file disk.raw out
}

gzip -1 <disk.raw >disk.raw.gz
bzip2 -1 <disk.raw >disk.raw.bz2
xz -0 <disk.raw >disk.raw.xz
xz -0 -T2 --block-size=256KiB <disk.raw >disk.raw.many.xz
xz -0 --block-size=65536 --check=crc32 <disk.raw >disk.raw.small.xz
zstd -q disk.raw -o disk.raw.zst
zstd -q <disk.raw >disk.raw.pipe.zst
split -b 400K disk.raw part.
for p in part.*; do gzip -1 <"$p"; done >disk.raw.parts.gz
for p in part.*; do bzip2 -1 <"$p"; done >disk.raw.parts.bz2
for p in part.*; do xz -0 <"$p"; done >disk.raw.parts.xz
for p in part.*; do zstd -q -o "$p.zst" "$p" && cat "$p.zst"; done \
    >disk.raw.parts.zst
for p in part.??; do zstd -q <"$p"; done >disk.raw.unsized.zst
# Skippable frames may lie before, between and behind.
{
	printf '\x50\x2a\x4d\x18\x03\0\0\0abc'
	cat disk.raw.parts.zst
	printf '\x5f\x2a\x4d\x18\0\0\0\0'
} >disk.raw.skips.zst
rm part.*
for name in disk.raw.*; do
	is_disk "$name"
done
if command -v pzstd >/dev/null; then
	pzstd -q -p 2 disk.raw -o disk.raw.pzstd.zst
	is_disk disk.raw.pzstd.zst
fi
if command -v pixz >/dev/null; then
	pixz -0 disk.raw disk.raw.pixz.xz
	is_disk disk.raw.pixz.xz
fi

# The seekable format of zstd, which nothing here writes: frames, and a table.
python3 - <<'END'
import os, struct, subprocess
table, out = b"", open("disk.raw.seekable.zst", "wb")
data = open("disk.raw", "rb").read()
for i in range(0, len(data), 1 << 20):
    part = data[i:i + (1 << 20)]
    packed = subprocess.run(["zstd", "-qc"], input=part,
                            stdout=subprocess.PIPE, check=True).stdout
    out.write(packed)
    table += struct.pack("<II", len(packed), len(part))
n = len(table) // 8
table += struct.pack("<IBI", n, 0, 0x8f92eab1)
out.write(struct.pack("<II", 0x184d2a5e, len(table)) + table)
END
is_disk disk.raw.seekable.zst

# Behind the end: what the formats' own tools overlook, too.
for kind in gz bz2; do
	{ cat disk.raw.$kind; echo garbage; } >more.$kind
	is_disk more.$kind
done
{ cat disk.raw.xz; head -c 1024 /dev/zero; } >more.xz
is_disk more.xz

# Holes stay holes.
$COWBIRD_IMG convert disk.raw.many.xz out
[ "$(stat -c %b out)" -le $((2 << 11)) ] || fail "holes are filled"
