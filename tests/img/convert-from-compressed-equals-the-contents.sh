#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A compressed file as the source of convert is its contents: gzip, bzip2, xz
# and zstd, of one piece or many, of raw and of qcow2 images, several files in
# one, zeros staying holes; -f speaks of the file itself, with --unpack of the
# contents; under the peer's name only --unpack unpacks.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/unpack.so" ] || skip "needs the module unpack"
requires gzip bzip2 xz zstd

random_file disk.raw 1500K
truncate -s 6M disk.raw
dd if=/dev/urandom of=disk.raw bs=1M seek=4 count=1 conv=notrunc 2>/dev/null
$COWBIRD_IMG convert -O qcow2 disk.raw disk.qcow2

is_disk() {
	quiet $COWBIRD_IMG convert "$@" out
	same_file disk.raw out
}

for image in disk.raw disk.qcow2; do
	gzip -1 <$image >$image.gz
	bzip2 -1 <$image >$image.bz2
	xz -0 <$image >$image.xz
	xz -0 -T2 --block-size=256KiB <$image >$image.many.xz
	xz -0 --block-size=65536 --check=crc32 <$image >$image.small.xz
	zstd -q $image -o $image.zst
	zstd -q <$image >$image.pipe.zst
	split -b 700K $image part.
	for p in part.*; do gzip -1 <"$p"; done >$image.parts.gz
	for p in part.*; do bzip2 -1 <"$p"; done >$image.parts.bz2
	for p in part.*; do xz -0 <"$p"; done >$image.parts.xz
	for p in part.*; do zstd -q -o "$p.zst" "$p" && cat "$p.zst"; done \
	    >$image.parts.zst
	for p in part.??; do zstd -q <"$p"; done >$image.unsized.zst
	# Skippable frames may lie before, between and behind.
	{
		printf '\x50\x2a\x4d\x18\x03\0\0\0abc'
		cat $image.parts.zst
		printf '\x5f\x2a\x4d\x18\0\0\0\0'
	} >$image.skips.zst
	rm part.*
	for name in "$image".*; do
		is_disk "$name"
	done
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
[ "$(stat -c %b out)" -le $((3 << 11)) ] || fail "holes are filled"

# What is said about the format.
is_disk --unpack -f qcow2 disk.qcow2.xz
is_disk --unpack -f qcow2 disk.qcow2
quiet $COWBIRD_IMG convert --unpack -f raw disk.qcow2.gz out
same_file disk.qcow2 out
quiet $COWBIRD_IMG convert -f raw disk.qcow2.gz out
cmp -n "$(stat -c %s disk.qcow2.gz)" disk.qcow2.gz out >&2
fails_with 1 "not in qcow2 format" $COWBIRD_IMG convert -f qcow2 disk.qcow2.gz out
peer_names
quiet "$PEER_IMG" convert disk.raw.xz out
cmp -n "$(stat -c %s disk.raw.xz)" disk.raw.xz out >&2
quiet "$PEER_IMG" convert --unpack disk.raw.xz out
same_file disk.raw out
