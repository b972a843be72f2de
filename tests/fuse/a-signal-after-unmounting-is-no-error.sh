#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unmounted by fusermount3, and told to end at once after that: it still ends
# as it would have, flushed and with 0.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse

touch mnt
truncate -s 16M disk.raw
random_file data 8388608
for _ in 1 2 3 4 5 6 7 8; do
	"$COWBIRD_FUSE" -f raw --writable disk.raw mnt &
	pid=$!
	until grep -q " $PWD/mnt " /proc/mounts; do sleep 0.01; done
	dd if=data of=mnt bs=1M conv=notrunc status=none
	fusermount3 -u mnt
	kill $pid 2>/dev/null || true	# perhaps it has ended
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 0 ] || fail "exit code $rc"
	cmp -n 8388608 data disk.raw
done
