#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A device that fails to write, or to read, makes every command that promises
# to have written, or has to read, fail; no later flush calls it good.
. "$(dirname "$0")/../lib.sh"
need_root
requires losetup
# The device's file lies on a disk that is too small for it.
small_tmpfs 8 small
. "$SRC/tests/faults/faults.inc"
truncate -s 64M small/file
device=$(losetup -f --show small/file 2>/dev/null) || skip "no loop devices"
cleanup_fn losetup -d "$device"
[ -b "$device" ] || skip "no loop devices"

random_file raw 33554432
io_error='Input/output error|No space left on device'
for cache in writeback none writethrough directsync; do
	fails_with 1 "$io_error" "$COWBIRD_IMG" convert -n -t $cache -f raw \
	    -O raw raw "$device"
	rc=0
	"$COWBIRD_IO" -f raw -t $cache -c 'write -q -P 1 32M 8M' -c flush \
	    -c flush -c 'write -q -P 1 48M 4k' -c flush "$device" \
	    >out 2>&1 || rc=$?
	[ $rc -eq 1 ] || { cat out >&2; fail "cowbird-io -t $cache: $rc"; }
	grep -Eq "$io_error" out || { cat out >&2; fail "-t $cache: no reason"; }
done
fails_with 1 "$io_error" "$COWBIRD_IMG" bench -w -t none -c 64 -s 1M -f raw \
    "$device"

# Reading: the file behind the device is cut off.
losetup -d "$device"
rm small/file
head -c 4194304 raw >small/file
losetup "$device" small/file 2>/dev/null || skip "no loop device a second time"
truncate -s 2M small/file
sync
echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || true
for command in 'convert -T none -f raw -O qcow2' \
    'convert -T none -f raw -O raw' \
    'convert -T none -c -f raw -O qcow2'; do
	# shellcheck disable=SC2086
	fails_with 1 'Input/output error' "$COWBIRD_IMG" $command "$device" new
	[ ! -e new ] || fail "$command: a target is left"
done
"$COWBIRD_IMG" convert --salvage -T none -f raw -O raw "$device" new 2>stderr
cmp -n 2097152 new raw || fail "what could be read is not salvaged"
fails_with 4 'Input/output error' "$COWBIRD_IMG" compare -T none -f raw \
    -F raw "$device" raw
