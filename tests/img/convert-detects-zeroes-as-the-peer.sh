#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A target with detect-zeroes takes zeros as zeros whatever -S says, as the
# peer's does.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

random_file source 1M
truncate -s 3M source
random_file more 200000
cat more >>source
truncate -s 4M source

kinds() {
	"$QEMU_IMG" map --output=json "$1" |
	    sed 's/^.*"start": \([0-9]*\), "length": [0-9]*, \(.*"data": [a-z]*\).*/\1 \2/' |
	    awk '{ at = $1; $1 = ""; if ($0 != last) print at $0; last = $0 }'
}

for mode in off on unmap; do
	for sparse in 0 4k 1M; do
		for side in theirs ours; do
			tool=$QEMU_IMG
			[ $side = theirs ] || tool=$PEER_IMG
			"$QEMU_IMG" create -q -f qcow2 $side.image 4M
			"$tool" convert -n -S $sparse --target-image-opts source \
			    "driver=qcow2,file.filename=$side.image,discard=unmap,detect-zeroes=$mode"
			"$COWBIRD_IMG" compare -q -f raw -F qcow2 source $side.image
		done
		same_text "$(kinds theirs.image)" "$(kinds ours.image)" \
		    "map of $mode, -S $sparse"
	done
done
