#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A thousand clients that do nothing and sixteen that work: all are served, in
# less than 200 MiB; what they held is free soon after they have left.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires_plain_build
requires_nbd_python

[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 2200 ] ||
    skip "needs 2200 descriptors"
ulimit -n 2200
truncate -s 64M a.raw
serve -t -e 0 -f raw a.raw
cat >many.py <<'END'
import nbd, os, threading, time
uri, pid = os.environ['U'], os.environ['P']

def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h

def descriptors():
    return len(os.listdir('/proc/%s/fd' % pid))

before = descriptors()
idle = [connect() for i in range(1000)]
errors = []

def work(n):
    try:
        h = connect()
        for i in range(50):
            off = (n * 50 + i) * 65536
            h.pwrite(bytes([n + 1]) * 65536, off)
            assert h.pread(65536, off) == bytes([n + 1]) * 65536
        h.shutdown()
    except Exception as e:
        errors.append(e)

threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors
for line in open('/proc/%s/status' % pid):
    if line.startswith('VmRSS'):
        kib = int(line.split()[1])
        print('RSS', kib, 'KiB')
        assert kib < 200 << 10, kib
idle[500].pread(512, 0)
for h in idle: h.shutdown()
del idle
for i in range(100):
    if descriptors() <= before + 1: break
    time.sleep(0.1)
assert descriptors() <= before + 1, descriptors()
END
U=$uri P=$server "$python" many.py
stop
