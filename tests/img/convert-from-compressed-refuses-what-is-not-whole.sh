#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A compressed file that is cut off, changed or followed by what does not
# belong to it is an error that says so, never a shorter or another image.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/unpack.so" ] || skip "needs the module unpack"
requires gzip bzip2 xz zstd python3

random_file disk.raw 300K
truncate -s 2M disk.raw
gzip <disk.raw >a.gz
bzip2 <disk.raw >a.bz2
xz <disk.raw >a.xz
xz --block-size=100KiB <disk.raw >b.xz
zstd -q disk.raw -o a.zst
zstd -q <disk.raw >b.zst
cat a.zst b.zst >c.zst

refused() {
	fails_with 1 "^cowbird-img: " $COWBIRD_IMG convert "$1" out
	[ "$(wc -l <stderr)" -eq 1 ] || fail "$1: more than a line"
	grep -Eq "$2" stderr || fail "$1: $(cat stderr)"
	[ ! -e out ] || fail "$1: out is there"
}

for file in ?.*; do
	size=$(stat -c %s "$file")
	for at in 6 9 40 1000 $((size / 2)) $((size - 13)) $((size - 1)); do
		head -c "$at" "$file" >cut
		refused cut "cut off|corrupt"
	done
	# A byte in the middle of the data is another one.
	python3 - "$file" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[150000] ^= 0x40
open("changed", "wb").write(b)
END
	refused changed "corrupt|cut off"
done

for file in ?.xz ?.zst; do
	{ cat $file; echo garbage; } >more
	refused more "something else"
done

# The second half of a member's first bytes is missing.
{ cat a.gz; printf '\x1f'; } >more
refused more "cut off"

# A piece that is broken is an error where it is read, not before: the others
# can be saved.  Random bytes are stored as they are, so only the sum at the end
# of the block tells.
random_file large.raw 4M
xz -0 --block-size=1MiB <large.raw >large.xz
python3 - <<'END'
b = bytearray(open("large.xz", "rb").read())
b[2500000] ^= 0x40
open("large2.xz", "wb").write(b)
END
fails_with 1 "'large2.xz': corrupt xz data" $COWBIRD_IMG convert large2.xz out
$COWBIRD_IMG convert --salvage large2.xz out 2>stderr
matches "could not be read and are zeros" stderr
cmp -n $((2 << 20)) large.raw out >&2
cmp -i $((3 << 20)) large.raw out >&2
