#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# resize --preallocation on a disk that fills up fails, gives everything back,
# and leaves nothing for check to find.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 2 "$PWD/small"
cd small

for cluster in 4k 64k; do
	"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=$cluster image 1M
	"$COWBIRD_IO" -c 'write -q -P 1 0 100k' image
	head -c 1000000 /dev/zero | tr '\0' x >filler
	free=$(stat -f -c %f .)
	for mode in metadata falloc full; do
		fails_with 1 'No space left' "$COWBIRD_IMG" resize -q \
		    --preallocation=$mode image 200G
		"$COWBIRD_IMG" check image >../check 2>&1 ||
		    { tail -n 3 ../check; fail "$cluster $mode: check"; }
		"$COWBIRD_IO" -r -c 'read -q -P 1 0 100k' image
		# A larger L1 table stays, of at most 200 blocks, and what
		# counts it.
		[ $((free - $(stat -f -c %f .))) -le 220 ] ||
		    fail "$cluster $mode: $free blocks, then $(stat -f -c %f .)"
	done
	rm -f -- *
done
cd ..
