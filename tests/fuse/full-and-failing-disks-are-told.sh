#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A full disk is ENOSPC and a failing one EIO, at write, read or fsync, and in the
# exit code; what was flushed before is there.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
small_tmpfs 8 small

touch mnt upper
"$COWBIRD_IMG" create -q -f qcow2 small/disk.qcow2 64M
show -f qcow2 --writable small/disk.qcow2 mnt
dd if=/dev/urandom of=first bs=1M count=2 status=none
dd if=first of=mnt bs=1M conv=notrunc,fsync status=none
! dd if=/dev/zero of=mnt bs=64k seek=100 count=900 oflag=direct conv=notrunc \
    2>err || fail "all was written"
matches 'No space left' err
cmp -n 2097152 first mnt
cmp -n 4096 -i 6553600:0 mnt /dev/zero
kill $fuse_pid
wait $fuse_pid || true
matches 'No space left' fuse.err
[ "$(wc -l <fuse.err)" -le 25 ] || fail "says too much"
"$COWBIRD_IMG" check -q small/disk.qcow2 || [ $? -eq 3 ]
"$COWBIRD_IMG" convert -q -f qcow2 -O raw small/disk.qcow2 after
cmp -n 2097152 first after

# An image that lies on a mount which goes away.
random_file lower.raw 8M
show -f raw --writable lower.raw mnt
lower=$fuse_pid
touch x
cp --sparse=never lower.raw before
show -f raw --writable mnt upper
head -c 4096 upper >/dev/null
kill -KILL $lower
! dd if=upper of=/dev/null bs=1M iflag=direct 2>err || fail "read"
matches 'Input/output error' err
! dd if=first of=upper bs=4k count=1 conv=notrunc,fsync 2>err || fail "written"
matches 'Input/output error' err
kill $fuse_pid
rc=0
wait $fuse_pid || rc=$?
[ $rc -eq 1 ] || fail "exit code $rc"
matches 'mnt: ' fuse.err
! grep -q " $PWD/upper " /proc/mounts || fail "still mounted"
