#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tables that name the header, themselves or each other: a write that would
# hit a table fails and marks the image corrupt; nothing else in it changes,
# and the peer finds no more wrong than it did before.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_oracle

"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k good 8M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 128k' -c 'write -q -P 2 4M 64k' good
tables good
first_data=$entry

# errors FILE: how many the peer finds, in $reply.
errors() {
	reply=$("$QEMU_IMG" check -f qcow2 --output=json "$1" 2>/dev/null |
	    sed -n 's/.*"corruptions": \([0-9]*\).*/\1/p') || true
	reply=${reply:-0}
}

# lie MAY NAME [OFFSET BYTES VALUE]...: MAY is "fails" when writing to the start
# of the image has to, "full" when taking space has to, else "may".
lie() {
	local may=$1 name=$2 before changed
	shift 2
	cp good before
	while [ $# -gt 0 ]; do
		put before "$1" "$2" "$3"
		shift 3
	done
	errors before
	before=$reply
	# The bit that marks it corrupt is then an entry, too.
	[[ $name != *-is-header ]] || before=$((before + 1))
	for operation in 'write 0 64k' 'write -z -u 0 64k' \
	    'discard 0 64k' 'write -c 0 4k' 'write 2M 300k'; do
		cp before bad
		bounded 10 "$COWBIRD_IO" -f qcow2 -c "$operation" -c flush bad
		changed=$({ cmp -l -n $first_data before bad 2>/dev/null ||
		    true; } | awk '$1 != 80' | wc -l)
		if [ $may,$rc = fails,1 ] && [ "$changed" -gt 0 ]; then
			cat stdout stderr >&2
			fail "$name, $operation: failed, and changed tables"
		fi
		case $may,$operation,$rc in
		"fails,write 0 64k,0" | "full,write 2M 300k,0")
			fail "$name, $operation: done" ;;
		esac
		if [ $rc -ne 0 ] && [[ $(<stdout) == *'is corrupt'* ]]; then
			get bad $((H_INCOMPATIBLE + 7)) 1
			[ $reply -eq 2 ] || fail "$name: not marked corrupt"
			refused 1 'corrupt' "$COWBIRD_IO" -f qcow2 \
			    -c 'write 6M 4k' bad
			bounded 10 "$COWBIRD_IO" -r -f qcow2 -c 'read 6M 4k' bad
			[ $rc -eq 0 ] || fail "$name: not readable any more"
		fi
		errors bad
		[ "$reply" -le "$before" ] ||
		    fail "$name, $operation: $before errors, then $reply"
	done
	# Nothing is repaired for the worse; and it comes to an end.
	cp before bad
	words=1000000 bounded 10 "$COWBIRD_IMG" check -q -r all bad
	errors bad
	[ "$reply" -le "$before" ] ||
	    fail "$name, check -r all: $before errors, then $reply"
}

lie fails l2-is-l1 $l1 8 $((COPIED | l1))
lie fails l2-is-reftable $l1 8 $((COPIED | rt))
lie fails l2-is-refcount-block $l1 8 $((COPIED | block))
lie fails l2-unaligned $l1 8 $((COPIED | l2 | 512))
lie fails l2-past-end $l1 8 $((COPIED | 1 << 40))
lie may two-tables-in-one $((l1 + 8)) 8 $((COPIED | l2))
lie may l2-is-header $l1 8 $COPIED
lie may l2-of-data $l1 8 $((COPIED | entry))
lie fails data-is-l1 $l2 8 $((COPIED | l1))
lie fails data-is-l2 $l2 8 $((COPIED | l2))
lie fails data-is-reftable $l2 8 $((COPIED | rt))
lie fails data-is-refcount-block $l2 8 $((COPIED | block))
lie fails data-unaligned $l2 8 $((COPIED | entry | 512))
lie may data-is-header $l2 8 $COPIED
lie may data-past-end $l2 8 $((COPIED | 1 << 40))
lie may data-not-copied $l2 8 $((entry + cluster))
lie may zero-at-l1 $l2 8 $((COPIED | l1 | 1))
lie may zero-at-block $l2 8 $((COPIED | block | 1))
lie may packed-at-header $l2 8 $((PACKED | 70))
lie may packed-at-l1 $l2 8 $((PACKED | l1))
lie full block-is-reftable $rt 8 "$rt"
lie full block-is-l1 $rt 8 "$l1"
lie full block-is-l2 $rt 8 "$l2"
lie full block-none $rt 8 0
lie full block-unaligned $rt 8 $((block + 512))
lie full block-past-end $rt 8 $((1 << 40))
lie may refcounts-zero $block 8 0
lie fails l1-is-reftable $H_L1_OFFSET 8 "$rt"
lie fails l1-is-block $H_L1_OFFSET 8 "$block"
lie may l1-is-l2 $H_L1_OFFSET 8 "$l2"
lie full reftable-is-l1 $H_RT_OFFSET 8 "$l1"
lie full reftable-is-block $H_RT_OFFSET 8 "$block"
lie full reftable-is-header $H_RT_OFFSET 8 0
