#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With --daemon it returns when the image is there to be read, and with an error
# and its code when it will not be.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse

random_file disk.raw 1M
touch mnt
# It lets the image go soon after it was unmounted.
let_go() {
	for _ in {1..500}; do
		! "$COWBIRD_IO" -f raw -c 'write 0 512' disk.raw \
		    >/dev/null 2>&1 || return 0
		sleep 0.02
	done
	fail "the image is still in use"
}
for _ in 1 2 3 4 5; do
	"$COWBIRD_FUSE" -f raw --writable --daemon disk.raw mnt >out 2>&1
	[ ! -s out ] || fail "says something"
	same_file disk.raw mnt
	fusermount3 -u mnt
	let_go
done
fails_with 1 'nothing: No such file' \
    "$COWBIRD_FUSE" --daemon -f raw nothing mnt
fails_with 1 'unknown option.*nonsense' \
    "$COWBIRD_FUSE" --daemon -f raw -o nonsense disk.raw mnt
[ "$(wc -l <stderr)" -eq 1 ] || fail "more than a line"
# What it takes from the caller is let go: nobody waits for the pipe.
"$COWBIRD_FUSE" -f raw --daemon disk.raw mnt | cat
fusermount3 -u mnt
let_go
