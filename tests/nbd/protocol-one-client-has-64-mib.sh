#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# However much a client asks for at once, and whether it reads the answers or
# not, the server takes no more than 64 MiB for it.
. "$(dirname "$0")/protocol.inc"
requires python3
requires_plain_build

cat >greedy.py <<'EOF'
import socket, struct, sys, time
fd = socket.socket(socket.AF_UNIX)
fd.connect(sys.argv[1])
fd.settimeout(5)
def take(n):
    while n:
        n -= len(fd.recv(min(n, 1 << 20)))
def request(kind, off, size, payload=b''):
    return struct.pack('>IHHQQI', 0x25609513, 0, kind, 1, off,
                       size) + payload
take(18)
fd.sendall(struct.pack('>IQII', 3, 0x49484156454F5054, 1, 0))
take(10)
M = 1 << 20
# All areas in use, then more than anybody could want.
fd.sendall(request(1, 0, 32 * M, bytes(32 * M)))
take(16)
for n in range(16):
    fd.sendall(request(0, n * M, M) * 16)
    take((M + 16) * 16)
fd.sendall(request(0, 0, 32 * M) * 3)
take((32 * M + 16) * 3)
fd.sendall(request(0, 0, 32 * M) * 500)
time.sleep(1)
EOF
truncate -s 64M raw
"$COWBIRD_IMG" create -q -f qcow2 qcow2 64M
for format in raw qcow2; do
	serve s "$COWBIRD_NBD" -f $format $format
	python3 greedy.py "$PWD/s"
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$SERVER/status")
	[ "$peak" -lt $((80 * 1024)) ] || fail "$format: $peak KiB"
	end_server
done
