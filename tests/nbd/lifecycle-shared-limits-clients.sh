#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# -e N serves N clients at once, the next one when one of them has left, also if
# it came earlier and was slow; 0 serves any number.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw
cat >client.py <<'END'
import socket, struct, sys
path, mode = sys.argv[1:3]

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s

def read(s, n):
    b = b''
    while len(b) < n:
        more = s.recv(n - len(b))
        assert more, 'closed'
        b += more
    return b

def negotiate(s):
    read(s, 18)
    s.sendall(struct.pack('>I', 3) + b'IHAVEOPT' +
        struct.pack('>IIIH', 7, 6, 0, 0))
    while True:
        kind, n = struct.unpack('>II', read(s, 20)[12:])
        read(s, n)
        if kind == 1:
            return s
        assert kind < 1 << 31, kind

def waits(s):
    s.settimeout(0.5)
    try:
        negotiate(s)
    except TimeoutError:
        s.settimeout(20)
        return True
    return False

if mode == 'any':
    many = [negotiate(connect()) for i in range(100)]
else:
    n = int(mode)
    slow = connect()            # half-open: does not count
    read(slow, 18)
    served = [negotiate(connect()) for i in range(n)]
    assert waits(connect()), 'one too many is served'
    # The slow one wants in now, and has to wait as well.
    slow.sendall(struct.pack('>I', 3) + b'IHAVEOPT' +
        struct.pack('>IIIH', 7, 6, 0, 0))
    slow.settimeout(0.5)
    try:
        slow.recv(1)
        assert False, 'one too many is let in'
    except TimeoutError:
        pass
    served.pop().close()
    slow.settimeout(20)
    read(slow, 20)
END
for n in 1 3; do
	serve -t -e $n -f raw a.raw
	python3 client.py "$sock" $n
	stop
done
serve -t -e 0 -f raw a.raw
python3 client.py "$sock" any
stop
