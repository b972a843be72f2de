#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# While the image does not answer, a signal still unmounts, and a second one
# ends the process.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
requires nbdkit

# A server that answers after a minute, once it is told to.
nbdkit -U "$PWD/sock" -P pid --filter=delay memory 8M \
    rdelay=60 delay-open=0 2>/dev/null || skip "needs nbdkit's delay filter"
cleanup_fn eval 'kill "$(cat pid)"'
for _ in {1..500}; do
	[ ! -s pid ] || break
	sleep 0.02
done
touch mnt
show -f raw --writable --threads 2 "nbd+unix:///?socket=$PWD/sock" mnt
for i in 1 2 3; do
	dd if=mnt of=/dev/null bs=4k skip=$((i * 64)) count=1 iflag=direct \
	    2>/dev/null &
done
sleep 0.5
kill -TERM $fuse_pid
for _ in {1..500}; do
	grep -q " $PWD/mnt " /proc/mounts || break
	sleep 0.02
done
! grep -q " $PWD/mnt " /proc/mounts || fail "still mounted"
kill -0 $fuse_pid || fail "does not wait for what was begun"
kill -TERM $fuse_pid
rc=0
wait $fuse_pid || rc=$?
[ $rc -eq 143 ] || fail "exit code $rc"
wait
