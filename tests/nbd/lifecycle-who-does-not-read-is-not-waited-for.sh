#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A client that asks for much and reads nothing: other clients are served, and a
# signal ends the server all the same, a second one sooner.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 64M a.raw
cat >stall.py <<'END'
import socket, struct, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])

def read(n):
    b = b''
    while len(b) < n: b += s.recv(n - len(b))
    return b

read(18)
s.sendall(struct.pack('>I', 3) + b'IHAVEOPT' + struct.pack('>IIIH', 7, 6, 0, 0))
while True:
    kind, n = struct.unpack('>II', read(20)[12:])
    read(n)
    if kind == 1: break
for i in range(16):
    s.sendall(struct.pack('>IHHQQI', 0x25609513, 0, 0, i, 0, 1 << 20))
open('stalled', 'w')
time.sleep(60)
END
for signals in 1 2; do
	serve -t -e 0 -f raw a.raw
	rm -f stalled
	python3 stall.py "$sock" &
	cleanup_fn kill_server $!
	within 10 test -e stalled
	nbdinfo --size "$uri" >/dev/null
	start=$SECONDS
	kill -TERM "$server"
	if [ $signals = 2 ]; then
		sleep 0.1
		kill -TERM "$server"
	fi
	ends 0
	[ $((SECONDS - start)) -le 15 ] || fail "it takes too long"
	[ ! -e "$sock" ] || fail "a socket is left"
done
