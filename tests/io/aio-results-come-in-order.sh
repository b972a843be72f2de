#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Requests that nobody waits for are all done, at aio_flush, at close and at
# the end, and reported in the order of the commands.
. "$(dirname "$0")/../lib.sh"

"$COWBIRD_IMG" create -q -f qcow2 a.q 64M
args=()
for i in $(seq 0 599); do
	args+=(-c "aio_write -P $((i % 250)) $((i * 64))k 64k")
done
for end in -caio_flush -cclose -cquit ''; do
	"$COWBIRD_IO" -f qcow2 "${args[@]}" $end a.q >out
	grep '^wrote' out >got || true
	for i in $(seq 0 599); do
		echo "wrote 65536/65536 bytes at offset $((i * 65536))"
	done >expected
	same_file expected got
done

args=()
for i in $(seq 0 599); do
	args+=(-c "aio_read -q -P $((i % 250)) $((i * 64))k 64k")
done
"$COWBIRD_IO" -r -f qcow2 "${args[@]}" a.q >out
[ ! -s out ] || { head out; fail "read back something else"; }

# What fails is told, and does not count.
"$COWBIRD_IO" -f qcow2 -c 'aio_read 64M 1' -c 'aio_read -P 77 0 1' \
    -c 'aio_write 1G 1' a.q >out
matches '^readv failed: ' out
matches '^Pattern verification failed at offset 0, 1 bytes$' out
matches '^aio_write failed: ' out

# While nobody types, results are shown as they come.
mkfifo pipe
"$COWBIRD_IO" -f qcow2 a.q <pipe >live &
cleanup_fn kill $! 2>/dev/null
exec 9>pipe
echo 'aio_read 0 64k' >&9
for _ in $(seq 100); do
	! grep -q '^read 65536/65536' live || break
	sleep 0.05
done
matches '^read 65536/65536 bytes at offset 0$' live
exec 9>&-
wait $!
