#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job that fails removes what it has made on an SSH server, and empties what
# was there before it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start

# A source that cannot be read to its end: some compressed data is not.
seq 1000000 >raw
truncate -s 16M raw
quiet "$COWBIRD_IMG" convert -c -f raw -O qcow2 raw broken
random_file noise 256k
dd if=noise of=broken bs=64k seek=20 conv=notrunc status=none
! "$COWBIRD_IMG" convert -O raw broken out 2>/dev/null || fail "nothing is broken"

for format in raw qcow2; do
	fails_with 1 'copy.* was incomplete and is removed' \
	    "$COWBIRD_IMG" convert -O $format broken "$SSH_URL/copy"
	[ ! -e copy ] || fail "the copy is left"
	echo before >old
	fails_with 1 'old.* was incomplete and is emptied' \
	    "$COWBIRD_IMG" convert -O $format broken "$SSH_URL/old"
	[ -e old ] && [ ! -s old ] || fail "old has something in it"
done
fails_with 1 'copy.* was incomplete and is removed' \
    "$COWBIRD_IMG" dd -O raw if=broken of="$SSH_URL/copy" bs=64k
[ ! -e copy ] || fail "the copy is left"

# Interrupted.
"$COWBIRD_IMG" convert -r 1M -f raw -O qcow2 raw "$SSH_URL/copy" 2>stderr &
for _ in $(seq 200); do
	[ ! -s copy ] || break
	sleep 0.05
done
rc=0
kill -TERM $!
wait $! || rc=$?
[ $rc -gt 128 ] || fail "exit code $rc after a signal"
matches 'interrupted .*copy.* was incomplete and is removed' stderr
[ ! -e copy ] || fail "the copy is left"

# A creation that fails before there is an image.
echo before >old
for name in copy old; do
	fails_with 1 'No such file' "$COWBIRD_IMG" create -f qcow2 \
	    -o data_file=/none/x "$SSH_URL/$name" 1M
done
[ ! -e copy ] || fail "what a failed creation made is left"
[ -e old ] || fail "a failed creation removed what it did not make"
