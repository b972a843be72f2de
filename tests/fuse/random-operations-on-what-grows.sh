#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# 30,000 random operations, truncating and writing past the end among them, do on
# a growable image what they do on a plain file.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
exerciser

truncate -s 3M disk.raw
"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k disk.qcow2 1M
touch mnt
for fmt in raw qcow2; do
	show -f $fmt --writable --growable disk.$fmt mnt
	./exercise mnt 5 15000 grow mmap
	cp mnt copy
	hide
	# The image ends with a whole sector, the file where it was made to.
	[ $(($(stat -c %s copy) + 511 & -512)) -eq \
	    "$("$COWBIRD_IMG" info --output=json -f $fmt disk.$fmt |
	    sed -n 's/^    "virtual-size": \([0-9]*\).*/\1/p')" ] ||
	    fail "another size"
	"$COWBIRD_IMG" compare -q -f raw -F $fmt copy disk.$fmt
done
"$COWBIRD_IMG" check -q disk.qcow2
