#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What bitmaps of random clusters, granularities and sizes hold after random
# writes, by the peer and by us in turn, is the same by the peer's server and
# by ours.  SEED=7 tries others than the usual.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/interop.inc"
requires qemu-nbd nbdinfo "$COWBIRD_NBD"

# dirty SERVER BITMAP: the runs, as the client sees them.
dirty() {
	rm -f socket pid
	"$1" -r -f qcow2 -B "$2" -k "$PWD/socket" --fork --pid-file="$PWD/pid" image
	nbdinfo --map="qemu:dirty-bitmap:$2" "nbd+unix:///?socket=$PWD/socket"
	[ ! -s pid ] || kill "$(cat pid)" 2>/dev/null || true
}

first=${SEED:-1}
for ((seed = first; seed < first + 8; seed++)); do
	RANDOM=$seed
	cluster=$((512 << RANDOM % 8))
	granularity=$((512 << RANDOM % 9))
	size=$((RANDOM * RANDOM % 40000000 / 512 * 512 + 512))
	doing="seed $seed: clusters $cluster, granularity $granularity, size $size"
	rm -f image
	tool "$QEMU_IMG" create -q -f qcow2 -o cluster_size=$cluster image $size
	tool "$QEMU_IMG" bitmap --add -g $granularity image fine
	tool "$QEMU_IMG" bitmap --add -g 64k image coarse
	ops=()
	for ((i = 0; i < 30; i++)); do
		off=$((RANDOM * RANDOM % size))
		len=$((RANDOM * (1 + RANDOM % 40) % (size - off) + 1))
		ops+=(-c "write -q $off $len")
	done
	case $((seed % 2)) in
	0) tool "$QEMU_IO" "${ops[@]}" image ;;
	1) tool "$COWBIRD_IO" "${ops[@]}" image ;;
	esac
	for bitmap in fine coarse; do
		dirty qemu-nbd $bitmap >theirs
		dirty "$COWBIRD_NBD" $bitmap >ours
		cmp -s theirs ours || {
			diff theirs ours | head -n 20 >&2
			wrong "bitmap $bitmap: < theirs, > ours"
		}
	done
done
