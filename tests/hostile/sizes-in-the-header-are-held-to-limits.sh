#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A number in a qcow2 header that is out of range, or names a table that is
# not in the file, makes every command end at once with one line, whatever
# memory it would have liked; nothing is changed.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names
limit_memory 262144

"$COWBIRD_IMG" create -q -f qcow2 good 64M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 128k' good
"$COWBIRD_IMG" create -q -f raw raw 64M

# bad NAME [OFFSET BYTES VALUE]...: no tool opens it.  The commands take turns.
turn=0
commands=(
	"1 map -f qcow2 bad"
	"1 resize -q -f qcow2 bad 128M"
	"1 convert -f qcow2 -O raw bad out"
	"2 compare -f qcow2 -F raw bad raw"
	"1 measure -f qcow2 -O qcow2 bad"
	"1 rebase -u -f qcow2 -F raw -b raw bad"
	"1 dd -f qcow2 -O raw bs=1M count=1 if=bad of=out"
	"1 bench -f qcow2 -c 1 bad"
	"1 create -q -f qcow2 -b bad -F qcow2 out"
	"1 info -f qcow2 --output=json bad"
	"1 commit -f qcow2 bad"
)
bad() {
	local name=$1 command i tool
	shift
	cp good bad
	while [ $# -gt 0 ]; do
		put bad "$1" "$2" "$3"
		shift 3
	done
	cp bad before
	refused 1 bad "$COWBIRD_IMG" info -f qcow2 bad
	refused 1 bad "$COWBIRD_IMG" check -f qcow2 bad
	refused 1 bad "$COWBIRD_IO" -f qcow2 -c "write 0 64k" bad
	for i in 1 2 3; do
		command=${commands[turn++ % ${#commands[@]}]}
		# shellcheck disable=SC2086
		refused "${command%% *}" bad "$COWBIRD_IMG" ${command#* }
	done
	bounded 5 "$PEER_IMG" info -f qcow2 bad
	[ $rc -eq 1 ] || fail "$name: info as the peer: $rc"
	[ ! -e out ] || fail "$name: a target was made"
	same_file before bad
}

bad cluster-bits-0 $H_CLUSTER_BITS 4 0
bad cluster-bits-8 $H_CLUSTER_BITS 4 8
bad cluster-bits-22 $H_CLUSTER_BITS 4 22
bad cluster-bits-64 $H_CLUSTER_BITS 4 64
bad cluster-bits-huge $H_CLUSTER_BITS 4 0xffffffff
bad version-1 $H_VERSION 4 1
bad version-4 $H_VERSION 4 4
bad refcount-order-7 $H_REFCOUNT_ORDER 4 7
bad refcount-order-huge $H_REFCOUNT_ORDER 4 0xffffffff
bad header-length-0 $H_HEADER_LEN 4 0
bad header-length-short $H_HEADER_LEN 4 103
bad header-length-past-cluster $H_HEADER_LEN 4 65537
bad header-length-huge $H_HEADER_LEN 4 0xffffffff
bad l1-huge $H_L1_SIZE 4 0xffffffff
bad l1-over-32-mib $H_L1_SIZE 4 0x400001
bad l1-too-small $H_L1_SIZE 4 0
bad l1-past-end $H_L1_OFFSET 8 $((1 << 40))
bad l1-at-2-63 $H_L1_OFFSET 8 0x8000000000000000
bad l1-wraps $H_L1_OFFSET 8 0xffffffffffff0000
bad l1-unaligned $H_L1_OFFSET 8 0x30200
bad reftable-none $H_RT_CLUSTERS 4 0
bad reftable-huge $H_RT_CLUSTERS 4 0xffffffff
bad reftable-over-8-mib $H_RT_CLUSTERS 4 129
bad reftable-past-end $H_RT_OFFSET 8 $((1 << 40))
bad reftable-wraps $H_RT_OFFSET 8 0xffffffffffff0000
bad reftable-unaligned $H_RT_OFFSET 8 0x10001
bad snapshots-too-many $H_SNAP_COUNT 4 65537 $H_SNAP_OFFSET 8 0x10000
bad snapshots-huge $H_SNAP_COUNT 4 0xffffffff $H_SNAP_OFFSET 8 0x10000
bad snapshots-past-end $H_SNAP_COUNT 4 1 $H_SNAP_OFFSET 8 $((1 << 40))
bad snapshots-wrap $H_SNAP_COUNT 4 1 $H_SNAP_OFFSET 8 0xffffffffffff0000
bad backing-too-long $H_BACKING_OFFSET 8 200 $H_BACKING_LEN 4 1024
bad backing-huge $H_BACKING_OFFSET 8 200 $H_BACKING_LEN 4 0xffffffff
bad backing-past-cluster $H_BACKING_OFFSET 8 65530 $H_BACKING_LEN 4 100
bad backing-offset-huge $H_BACKING_OFFSET 8 0xffffffffffffffff \
    $H_BACKING_LEN 4 8
bad size-2-63 $H_SIZE 8 0x8000000000000000
bad size-2-64 $H_SIZE 8 0xffffffffffffffff
bad size-without-l1 $H_SIZE 8 0x7ffffffffffffe00
bad feature-unknown $H_INCOMPATIBLE 8 0x20
bad compression-unknown $H_HEADER_LEN 4 112 $H_COMPRESSION 1 9 \
    $H_INCOMPATIBLE 8 8
bad compression-without-bit $H_HEADER_LEN 4 112 $H_COMPRESSION 1 1
bad subclusters-of-small-clusters $H_INCOMPATIBLE 8 0x10 \
    $H_CLUSTER_BITS 4 13
