#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that lists without end, or talks unasked, costs neither memory nor
# time: one line, and it is left.
. "$(dirname "$0")/client.inc"
requires python3
requires_plain_build

cat >flood.py <<'END'
import socket, struct, sys

def reply(option, kind, data=b''):
    return struct.pack('>QIII', 0x3e889045565a9, option, kind, len(data)) + data

def info(size):
    return reply(7, 3, struct.pack('>HQH', 0, size, 0x801))

def flood(c, mode):
    c.sendall(b'NBDMAGICIHAVEOPT' + struct.pack('>H', 3) + reply(8, 1))
    n = 0
    while mode == 'contexts':
        c.sendall(reply(10, 4, struct.pack('>I', n) + b'x' * 3000 + b'%d' % n))
        n += 1
    c.sendall(reply(10, 4, struct.pack('>I', 1) + b'base:allocation') +
              reply(10, 1))
    while mode == 'infos':
        c.sendall(info(n) * 100)
        n += 1
    while mode == 'names':
        c.sendall(reply(7, 3, struct.pack('>H', 1) + b'y' * 4000))
    c.sendall(info(1 << 30) + reply(7, 1))
    while mode == 'replies':
        c.sendall(struct.pack('>IIQ', 0x67446698, 0, n) * 100)
    # Runs of no length, for whoever asks.
    heard = b''
    while mode == 'extents':
        data = c.recv(4096)
        if not data:
            break
        heard += data
        at = heard.find(b'\x25\x60\x95\x13')
        if at >= 0 and len(heard) >= at + 28:
            c.sendall(struct.pack('>IHH', 0x668e33ef, 1, 5) +
                      heard[at + 8:at + 16] + struct.pack('>IIII', 12, 1, 0, 0))
            heard = heard[at + 28:]

s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(5)
while True:
    c = s.accept()[0]
    try:
        flood(c, sys.argv[2])
    except OSError:
        pass
    c.close()
END

ulimit -v 1000000
for mode in contexts infos names replies; do
	serve "$mode" python3 flood.py %s "$mode"
	fails_with 1 'says more than it was asked|was lost' \
	    timeout 20 "$COWBIRD_IMG" info "$(uri "$mode")"
	same_text 1 "$(wc -l <stderr)" 'number of lines'
done
serve extents python3 flood.py %s extents
fails_with 1 'does not answer for block status|Protocol error' \
    timeout 20 "$COWBIRD_IMG" map -f raw "$(uri extents)"
