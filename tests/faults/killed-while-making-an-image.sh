#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at any moment, create and convert leave nothing that opens as a good
# image and is not whole: a qcow2 target is refused as unfinished, a raw one is
# shorter than the disk; the source is as it was.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
requires_plain_build

random_file raw 12582912
head -c 4194304 /dev/zero | tr '\0' x >>raw
truncate -s 32M raw
"$COWBIRD_IMG" convert -f raw -O qcow2 raw source
cp source source.before

none() {
	rm -f target data
}
created() {
	[ -e target ] || return 0
	if "$COWBIRD_IMG" info -f qcow2 target >out 2>&1; then
		matches "^virtual size: (1 GiB|96 MiB)" out
		sound target
	else
		[ -n "$killed" ] || fail "$doing: does not open"
	fi
}
sweep 15 none created "$COWBIRD_IMG" create -f qcow2 \
    -o preallocation=metadata,cluster_size=4k target 1G
for mode in falloc full; do
	sweep 6 none created "$COWBIRD_IMG" create -f qcow2 \
	    -o preallocation=$mode,cluster_size=64k target 96M
done

converted() {
	cmp source source.before || fail "$doing: the source has changed"
	[ -e target ] || return 0
	if "$COWBIRD_IMG" info -f qcow2 target >out 2>&1; then
		sound target
		reads_like target qcow2 raw
	else
		[ -n "$killed" ] || fail "$doing: does not open"
	fi
}
sweep 16 none converted "$COWBIRD_IMG" convert -f qcow2 -O qcow2 source target
sweep 16 none converted "$COWBIRD_IMG" convert -c -f qcow2 -O qcow2 \
    source target
sweep 8 none converted "$COWBIRD_IMG" convert -W -f qcow2 -O qcow2 \
    -o compat=0.10,cluster_size=4k source target
sweep 8 none converted "$COWBIRD_IMG" convert -f qcow2 -O qcow2 \
    -o data_file=data source target

raw_target() {
	cmp source source.before || fail "$doing: the source has changed"
	[ -e target ] || return 0
	if [ "$(stat -c %s target)" -ge 33554432 ]; then
		cmp target raw || fail "$doing: a raw target looks whole"
	else
		[ -n "$killed" ] || fail "$doing: is short"
	fi
}
sweep 16 none raw_target "$COWBIRD_IMG" convert -f qcow2 -O raw source target
sweep 8 none raw_target "$COWBIRD_IMG" convert -W -S 0 -f qcow2 -O raw \
    source target
sweep 8 none raw_target "$COWBIRD_IMG" dd bs=64k if=source of=target

# Over what was there before.
old() {
	cp old.before target
}
"$COWBIRD_IMG" create -q -f qcow2 old.before 3M
over_old() {
	if "$COWBIRD_IMG" info -f qcow2 target >out 2>&1; then
		grep -q '^virtual size: 3 MiB' out || converted
	fi
}
sweep 12 old over_old "$COWBIRD_IMG" convert -f qcow2 -O qcow2 source target
