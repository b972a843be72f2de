#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# After kill -9 callers get ENOTCONN, what they had synced is in the image, and
# the image is sound but for leaks.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
requires python3

cat >writer.py <<'END'
import os, random, sys
r = random.Random(int(sys.argv[1]))
fd = os.open('mnt', os.O_RDWR)
log = open('synced', 'w')
try:
    for n in range(1, 1 << 30):
        done = []
        for i in range(r.randrange(1, 6)):
            at = r.randrange(2048)
            # The first bytes of each 4 KiB say what it was.
            os.pwrite(fd, (b'%08d' % n) * 512, at * 4096)
            done.append(at)
        os.fsync(fd)
        log.write(''.join('%d %d\n' % (at, n) for at in done))
        log.flush()
except OSError as e:
    sys.exit(0 if e.errno in (103, 107) else str(e))
END
cat >verify.py <<'END'
import sys
f = open('after', 'rb')
want = dict(map(int, line.split()) for line in open('synced'))
for at, n in want.items():
    f.seek(at * 4096)
    got = f.read(4096)
    if int(got[:8]) < n:
        sys.exit('%d: %s instead of %d' % (at, got[:8], n))
END
for seed in 1 2 3 4 5 6; do
	rm -f disk.qcow2 mnt
	touch mnt
	"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=4k disk.qcow2 8M
	show -f qcow2 --writable disk.qcow2 mnt
	rm -f synced
	python3 writer.py $seed 2>err &
	writer=$!
	for _ in {1..1000}; do
		[ ! -s synced ] || break
		sleep 0.02
	done
	sleep 0.$((1 + seed))
	[ -s synced ] || fail "nothing was synced"
	kill -KILL $fuse_pid
	wait $writer || { cat err; fail "another error"; }
	! stat mnt 2>err || fail "still served"
	matches 'not connected' err
	fusermount3 -u mnt
	rc=0
	"$COWBIRD_IMG" check -q disk.qcow2 >/dev/null || rc=$?
	[ $rc -eq 0 ] || [ $rc -eq 3 ] || fail "check: $rc"
	"$COWBIRD_IMG" convert -q -f qcow2 -O raw disk.qcow2 after
	python3 verify.py
done
