#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# detect-zeroes=on and unmap: written zeros become zeros of the image where the
# peer makes them so, the disk reads the same, and parts of a request are found
# which the peer writes as data.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

# kinds IMAGE: where which kind of bytes begins, whatever the host offsets.
kinds() {
	"$QEMU_IMG" map --output=json "$1" | sed 's/^.*"start": \([0-9]*\), "length": [0-9]*, \(.*"data": [a-z]*\).*/\1 \2/' |
	    awk '{ at = $1; $1 = ""; if ($0 != last) print at $0; last = $0 }'
}

ops=(-c 'write -q -P 0 0 1M' -c 'write -q -P 0 2049k 131k'
    -c 'write -q -P 0 3000k 1000' -c 'writev -q -P 0 3M 64k 100 400 65036'
    -c 'write -q -f -P 0 3500k 4k' -c 'write -q -P 0 6976k 192k')
for options in cluster_size=64k cluster_size=4k extended_l2=on compat=0.10 \
    lazy_refcounts=on data_file=data backing_file=base,backing_fmt=raw; do
	for mode in off on unmap; do
		for side in theirs ours; do
			rm -rf $side
			mkdir $side
			cd $side
			"$QEMU_IMG" create -q -f raw base 7M
			"$QEMU_IO" -f raw -c 'write -q -P 9 0 7M' base
			"$QEMU_IMG" create -q -f qcow2 \
			    -o "${options/=data/=$PWD/data}" image 7M
			"$QEMU_IO" -c 'write -q -P 1 0 6M' image
			cd ..
		done
		open="open -o discard=unmap,detect-zeroes=$mode"
		(cd theirs && "$QEMU_IO" -c "$open image" "${ops[@]}" >/dev/null)
		(cd ours && "$COWBIRD_IO" -c "$open image" "${ops[@]}" >/dev/null)
		"$QEMU_IMG" compare -q theirs/image ours/image ||
		    fail "$options $mode: they differ"
		"$QEMU_IMG" check -q ours/image || fail "$options: check"
		same_text "$(kinds theirs/image)" "$(kinds ours/image)" \
		    "map of $options, $mode"
	done
done

# Of a request that is not all zeros the peer writes all.
random_file noise 65536
{
	cat noise
	head -c 196608 /dev/zero
	cat noise
} >mixed
for side in theirs ours; do
	rm -f $side.raw $side.image
	"$QEMU_IMG" create -q -f qcow2 $side.image 1M
	"$QEMU_IMG" create -q -f raw $side.raw 1M
done
opts=discard=unmap,detect-zeroes=unmap
"$COWBIRD_IO" -c "open -o $opts ours.image" -c 'write -q -s mixed 100k 320k' \
    >/dev/null
"$QEMU_IO" -c "open -o $opts theirs.image" -c 'write -q -s mixed 100k 320k' \
    >/dev/null
"$QEMU_IMG" compare -q theirs.image ours.image || fail 'mixed: they differ'
"$COWBIRD_IMG" map --output=json ours.image >map
matches '"start": 196608, "length": 131072.*"data": false' map
"$COWBIRD_IO" -c "open -o driver=raw,$opts ours.raw" -c 'write -q -P 1 0 1M' \
    -c 'write -q -s mixed 128k 320k' >/dev/null
"$COWBIRD_IMG" map --output=json ours.raw >map
matches '"start": 196608, "length": 196608.*"data": false' map
fails_with 1 'without setting discard' "$COWBIRD_IO" \
    -c 'open -o discard=ignore,detect-zeroes=unmap ours.image'
# Compressed writes stay what they are.
"$COWBIRD_IO" -c "open -o $opts ours.image" -c 'write -q -c -P 0 0 64k' >/dev/null
"$COWBIRD_IMG" check --output=json ours.image >check
matches '"compressed-clusters": 1' check
