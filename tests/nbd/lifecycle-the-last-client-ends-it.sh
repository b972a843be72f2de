#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Without -t the server ends when the last client that had negotiated leaves,
# politely or not; who only asked for the list, or said nothing, is none.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires_nbd_python

truncate -s 1M a.raw

serve -f raw a.raw
"$COWBIRD_NBD" -L -k "$sock" >/dev/null
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.recv(18)' "$sock"
kill -0 "$server"
[ "$(nbdinfo --size "$uri")" = 1048576 ]
ends 0
[ ! -e "$sock" ] && [ ! -e pid ] || fail "files are left"

# Two at once: the first may leave; the second without a word.
serve -e 2 -f raw a.raw
U=$uri "$python" -c 'import nbd, os
a = nbd.NBD(); a.connect_uri(os.environ["U"])
b = nbd.NBD(); b.connect_uri(os.environ["U"])
a.shutdown()
b.pread(512, 0)
os._exit(0)'
ends 0

serve -t -f raw a.raw
nbdinfo --size "$uri" >/dev/null
nbdinfo --size "$uri" >/dev/null
stop
