#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With discard=unmap discarded space and zeros that may be holes go back to the
# file system, as the peer does it, also that of an external data file; with
# ignore a discard does nothing, and zeros are zeros all the same.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

# kinds FILE [FORMAT]: where which kind of bytes begins.
kinds() {
	"$QEMU_IMG" map --output=json ${2:+-f "$2"} "$1" |
	    sed 's/^.*"start": \([0-9]*\), "length": [0-9]*, \(.*"data": [a-z]*\).*/\1 \2/' |
	    awk '{ at = $1; $1 = ""; if ($0 != last) print at $0; last = $0 }'
}

ops=(-c 'write -q -P 1 0 6M' -c 'flush' -c 'write -q -z -u 1M 1M'
    -c 'discard -q 3M 1M' -c 'discard -q 0 64k' -c 'write -q -P 2 3200k 64k'
    -c 'write -q -z 5M 64k' -c 'flush' -c 'discard -q 4M 128k'
    -c 'write -q -P 3 4M 64k' -c 'flush')
n=0
try() {
	local format=$1 options=$2 mode side
	for mode in ignore unmap; do
		for side in theirs ours; do
			rm -rf $side
			mkdir $side
			"$QEMU_IMG" create -q -f "$format" \
			    ${options:+-o "${options/=data/=$PWD/$side/data}"} \
			    $side/image 6M
		done
		(cd theirs && "$QEMU_IO" -f "$format" -d $mode "${ops[@]}" image >/dev/null)
		(cd ours && "$COWBIRD_IO" -f "$format" -d $mode "${ops[@]}" image >/dev/null)
		[ "$mode" = unmap ] || "$QEMU_IMG" compare -q -f "$format" \
		    -F "$format" theirs/image ours/image ||
		    fail "$format $options $mode: they differ"
		same_text "$(kinds theirs/image "$format")" \
		    "$(kinds ours/image "$format")" "map of $format $options $mode"
		[ ! -e ours/data ] || same_text "$(kinds theirs/data raw)" \
		    "$(kinds ours/data raw)" "data of $options, $mode"
		[ "$format" = raw ] ||
		    "$QEMU_IMG" check -q ours/image || fail "$options: check"
		"$COWBIRD_IO" -r -f "$format" -c 'read -q -P 0 1M 1M' \
		    -c 'read -q -P 2 3200k 64k' -c 'read -q -P 3 4M 64k' \
		    ours/image >out
		[ ! -s out ] || { cat out; fail "$format $options $mode"; }
		n=$((n + 1))
	done
}

try raw ''
try qcow2 ''
try qcow2 cluster_size=4k
try qcow2 compat=0.10
try qcow2 extended_l2=on
try qcow2 data_file=data
try qcow2 data_file=data,data_file_raw=on
[ $n -eq 14 ] || fail "only $n tries"

# What a qcow2 file itself gives back: after the flush, not before (D7).
"$COWBIRD_IMG" create -q -f qcow2 image 8M
"$COWBIRD_IO" -c 'write -q -P 1 0 8M' image >/dev/null
full=$(stat -c %b image)
"$COWBIRD_IO" -d unmap -c 'discard -q 0 4M' image >/dev/null
less=$(stat -c %b image)
[ $((full - less)) -ge 8000 ] || fail "$full blocks, then $less"
"$COWBIRD_IO" -d ignore -c 'discard -q 4M 4M' image >/dev/null
[ "$(stat -c %b image)" -ge "$less" ] || fail 'ignored, and yet fewer blocks'
