#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A table of snapshots whose counts, lengths or L1 tables are out of range is
# told by info and check, within bounds of memory and time, and no write gets
# past it into what snapshots share; what does not need them still reads.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_oracle
requires_plain_build
peer_names

"$QEMU_IMG" create -q -f qcow2 -o cluster_size=4k good 1M
"$QEMU_IO" -f qcow2 -c 'write -q -P 1 0 128k' good
"$QEMU_IMG" snapshot -c one good
"$QEMU_IMG" snapshot -c two good
limit_memory 262144

get good $H_SNAP_OFFSET 8
snap=$reply

# lies MUST_FAIL NAME [OFFSET BYTES VALUE]...
lies() {
	local must=$1 name=$2
	shift 2
	cp good bad
	while [ $# -gt 0 ]; do
		put bad "$1" "$2" "$3"
		shift 3
	done
	cp bad before
	for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
		bounded 5 "$tool" info -f qcow2 bad
		[ $must = no ] || [ $rc -eq 1 ] || fail "$name: info says $rc"
		bounded 5 "$tool" info -f qcow2 --output=json bad
		words=10000000 bounded 5 "$tool" check -f qcow2 bad
		[ $rc -ne 0 ] || fail "$name: check finds nothing"
	done
	bounded 5 "$COWBIRD_IMG" measure -f qcow2 -O qcow2 bad
	bounded 5 "$COWBIRD_IMG" convert -f qcow2 -O raw bad out
	bounded 5 "$COWBIRD_IMG" convert -l one -f qcow2 -O raw bad out
	rm -f out
	same_file before bad
	bounded 5 "$COWBIRD_IMG" resize -q -f qcow2 bad 2M
	bounded 5 "$COWBIRD_IO" -f qcow2 -c 'write -P 9 0 64k' -c 'discard 0 1M' bad
	if [ $must = yes ]; then
		[ $rc -eq 1 ] || fail "$name: is written to"
		{ cmp -l before bad || true; } 2>/dev/null >changes
		awk '$1 != 80 { bad = 1 } END { exit bad }' changes ||
		    { head changes; fail "$name: changed by a write that failed"; }
	fi
}

lies yes too-many $H_SNAP_COUNT 4 65536
lies yes one-too-many $H_SNAP_COUNT 4 3
lies no elsewhere $H_SNAP_OFFSET 8 4096
lies no in-the-header $H_SNAP_OFFSET 8 0
lies yes extra-too-long $((snap + 36)) 4 1025
lies yes extra-2-32 $((snap + 36)) 4 0xffffffff
lies yes extra-wraps $((snap + 36)) 4 0xfffffff8
lies yes id-65535 $((snap + 12)) 2 65535
lies yes name-65535 $((snap + 14)) 2 65535
lies yes id-and-name-65535 $((snap + 12)) 4 0xffffffff
lies no l1-size-2-32 $((snap + 8)) 4 0xffffffff
lies no l1-past-end "$snap" 8 $((1 << 50))
lies no l1-wraps "$snap" 8 0xfffffffffffff000
lies no l1-unaligned "$snap" 8 4097
lies no l1-in-the-header "$snap" 8 0
lies no l1-is-the-table "$snap" 8 "$snap"
