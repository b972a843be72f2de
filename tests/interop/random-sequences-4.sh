#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random operations by ours and the peer's in turn, on images of random kinds.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/random-sequences.inc"

RANDOM=${SEED:-4} seed=${SEED:-4}
any_kind() {
	local clusters bits=9 options
	if [ $((RANDOM % 4)) -eq 0 ]; then
		random 13
		options=compat=0.10,cluster_size=$((1 << (bits + reply)))
	else
		if [ $((RANDOM % 3)) -eq 0 ]; then
			bits=14
			options=extended_l2=on,
		fi
		random $((22 - bits))
		options=${options-}cluster_size=$((1 << (bits + reply)))
		pick 1 2 4 8 16 16 32 64
		options=$options,refcount_bits=$reply
		pick '' ,lazy_refcounts=on ,compression_type=zstd \
		    ,data_file=image.data
		options=$options$reply
	fi
	clusters=${options#*cluster_size=}
	clusters=${clusters%%,*}
	size=$((clusters * 300))
	[ $size -lt 40000000 ] || size=40000000
	[ $size -gt 500000 ] || size=500224
	random $((size / 1024))
	size=$((size - reply * 512))
	pick '' '' backed
	variant "$options" "$size" "$reply"
}
for kind in raw: qcow2: qcow2:cluster_size=2048 qcow2:compat=0.10; do
	random 6000
	make_base "${kind%%:*}" "${kind#*:}" $((300032 + reply * 512))
	for image in 1 2 3; do
		any_kind
		run_variant 3 60
	done
done
echo "$total operations"
