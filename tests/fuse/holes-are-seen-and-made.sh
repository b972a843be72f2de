#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Holes are seen by lseek and cp, made by punching, and filled by allocating;
# zeros are zeros; nothing of it is past the end.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
requires python3

cat >space.py <<'END'
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
KEEP, PUNCH, ZERO, COLLAPSE = 1, 2, 16, 8
M = 1 << 20
fd = os.open('mnt', os.O_RDWR)
def space(mode, off, length):
    r = libc.fallocate(fd, mode, ctypes.c_longlong(off), ctypes.c_longlong(length))
    return ctypes.get_errno() if r else 0
def seek(off, how):
    try:
        return os.lseek(fd, off, how)
    except OSError as e:
        return -e.errno
def same(got, want, what):
    if got != want:
        sys.exit('%s: %s instead of %s' % (what, got, want))
data, hole = os.SEEK_DATA, os.SEEK_HOLE
same(os.fstat(fd).st_size, 16 * M, 'size')
same(seek(0, data), -errno.ENXIO, 'data in nothing')
same(seek(0, hole), 0, 'hole in nothing')
os.pwrite(fd, b'x' * 2 * M, 4 * M)
os.fsync(fd)
same(seek(0, data), 4 * M, 'data')
same(seek(4 * M, hole), 6 * M, 'hole')
same(seek(5 * M + 1, data), 5 * M + 1, 'data from data')
same(seek(6 * M, data), -errno.ENXIO, 'no more data')
same(seek(16 * M, hole), -errno.ENXIO, 'hole at the end')
same(seek(16 * M - 1, hole), 16 * M - 1, 'hole before the end')
same(space(PUNCH | KEEP, 5 * M, 512 << 10), 0, 'punch')
same(os.pread(fd, M, 5 * M), bytes(512 << 10) + b'x' * (512 << 10), 'punched')
same(seek(4 * M, hole), 5 * M, 'hole made')
same(seek(5 * M, data), 5 * M + (512 << 10), 'data behind it')
same(space(ZERO, 4 * M, M), 0, 'zero')
same(os.pread(fd, M, 4 * M), bytes(M), 'zeroed')
blocks = os.fstat(fd).st_blocks
same(space(0, 8 * M, M), 0, 'allocate')
same(os.pread(fd, M, 8 * M), bytes(M), 'allocated')
os.fsync(fd)
import time; time.sleep(1.1)	# attributes are believed for a second
if seek(8 * M, data) != 8 * M and os.fstat(fd).st_blocks < blocks + 2048:
    sys.exit('nothing was allocated: %d' % os.fstat(fd).st_blocks)
same(space(COLLAPSE, 0, M), errno.EOPNOTSUPP, 'collapse')
same(space(0, 15 * M, 2 * M), errno.ENOSPC, 'allocate past the end')
same(space(ZERO, 15 * M, 2 * M), errno.ENOSPC, 'zero past the end')
same(space(PUNCH | KEEP, 15 * M, 2 * M), 0, 'punch past the end')
same(space(PUNCH | KEEP, 20 * M, 2 * M), 0, 'punch behind the end')
same(os.fstat(fd).st_size, 16 * M, 'size afterwards')
same(os.pwrite(fd, b'y' * 8192, 16 * M - 4096), 4096, 'write over the end')
for off in (16 * M, 1 << 50):
    try:
        os.pwrite(fd, b'y', off)
        sys.exit('written past the end')
    except OSError as e:
        same(e.errno, errno.ENOSPC, 'write past the end')
for size in (0, 17 * M):
    try:
        os.truncate(fd, size)
        sys.exit('truncated')
    except OSError as e:
        same(e.errno, errno.EPERM, 'truncate')
os.truncate(fd, 16 * M)
os.close(fd)
END
touch mnt
truncate -s 16M disk.raw
"$COWBIRD_IMG" create -q -f qcow2 disk.qcow2 16M
for fmt in raw qcow2; do
	show -f $fmt --writable disk.$fmt mnt
	python3 space.py || fail "$fmt"
	[ "$(stat -f -c '%S %b %f %a' mnt)" = '4096 4096 0 0' ] ||
	    fail "$(stat -f mnt)"
	cp --sparse=auto mnt copy
	same_file mnt copy
	[ "$(stat -c %b copy)" -lt 8192 ] || fail "holes are copied"
	hide
	"$COWBIRD_IMG" compare -q -f raw -F $fmt copy disk.$fmt
done
"$COWBIRD_IMG" check -q disk.qcow2

# Without discard zeros are kept.
show -f raw --writable --discard ignore disk.raw mnt
dd if=/dev/urandom of=mnt bs=1M count=1 conv=notrunc status=none
fallocate -p -o 0 -l 1M mnt
cmp -s -n 1048576 mnt /dev/zero || fail "not zeros"
hide
[ "$(filefrag -v disk.raw 2>/dev/null | grep -c '^ *0: *0\.\.')" -le 1 ]

# What overlays have not is allocated in them as the backing image has it.
random_file base.raw 1M
"$COWBIRD_IMG" create -q -f qcow2 -b base.raw -F raw over.qcow2
show --writable over.qcow2 mnt
fallocate -o 300000 -l 400000 mnt
hide
"$COWBIRD_IMG" compare -q -f raw base.raw over.qcow2
"$COWBIRD_IMG" map --output=json over.qcow2 >map
matches '"start": 262144, .*"depth": 0, .*"data": true' map
