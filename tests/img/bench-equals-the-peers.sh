#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bench says what the peer says, makes the same requests, and flushes between
# batches.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

random_file r 1048576
truncate -s 10240 odd
cp r odd theirs
cp r odd ours

# benches ARG...: the time taken is each tool's own.
benches() {
	(cd theirs && run_and_keep "$TEST_TMP/theirs" "$QEMU_IMG" bench "$@")
	(cd ours && run_and_keep "$TEST_TMP/ours" "$PEER_IMG" bench "$@")
	sed -i 's/in [0-9.]* seconds/in N seconds/' theirs.out ours.out
	judge bench "$@"
	same_file theirs/r ours/r
}

for args in '' '-q' '-c 0' '-d 1' '-d 500 -c 9' '-s 512 -S 1000' '-S 0' \
    '-S 8M' '-o 64k' '-s 2M' '-o 1M' '-o 2M' '-w' '-w --pattern 0xab' \
    '-w --pattern=255 -s 1000 -S 5000 -o 3' '-U' '-i io_uring' '-t none' \
    '-i native' '-n -t none' '-n' '-w -U' '-i foo' '-c x' '-d x' '-s x' \
    '-s 4G' '-S x' '-o x' '--pattern=256' '--flush-interval 64' \
    '-w --flush-interval 2' '-w --flush-interval 64' '-w --flush-interval x' \
    '-w -d 4 --flush-interval 7' '-w --flush-interval 70 --no-drain' \
    '-w --no-drain'; do
	# shellcheck disable=SC2086
	benches -c 200 $args -f raw r
done
benches -c 10 -f raw odd
benches -c 10 -S 1000 -s 1000 -f raw odd
benches missing
benches --image-opts -c 9 driver=raw,file.filename=r
no_difference

# A depth of 0 hangs the peer.
fails_with 1 'depth' "$COWBIRD_IMG" bench -d 0 r
requires strace
strace -f -o trace -e trace=fdatasync "$COWBIRD_IMG" bench -w -f raw -d 4 \
    -c 40 --flush-interval 4 r >/dev/null 2>&1 || skip "strace does not work here"
[ "$(grep -c 'fdatasync(.*= 0' trace)" -ge 9 ] || fail "too few flushes"
