#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An error of the server, a server that goes away in the middle, one that says
# nothing sensible: one clear line and a failure, never a hang.
. "$(dirname "$0")/client.inc"
requires nbdkit python3

random_file src 20M
truncate -s 20M target
u=$(uri "$PWD/s")

one_line() {
	fails_with "$@"
	same_text 1 "$(wc -l <stderr)" 'number of lines'
}

nbdkit_at s --filter=error file src error=EIO error-pread-rate=50%
one_line 1 "reading '.*' at offset [0-9]+: Input/output error" \
    bounded "$COWBIRD_IMG" convert -f raw "$u" out
end_server
nbdkit_at s --filter=error file src error=EIO error-extents-rate=100%
one_line 1 "block status of '.*' at offset 0: Input/output error" \
    bounded "$COWBIRD_IMG" convert -f raw "$u" out
end_server
nbdkit_at s --filter=error file target error=ENOSPC error-pwrite-rate=50%
one_line 1 "writing '.*' at offset [0-9]+: No space left on device" \
    bounded "$COWBIRD_IMG" convert -n -f raw -O raw src "$u"
end_server
nbdkit_at s eval get_size='echo 1M' pread='dd if=/dev/zero count=$3 bs=1' \
    pwrite='cat >/dev/null' can_flush='exit 0' flush='echo EIO >&2; exit 1'
one_line 1 "flush of '.*' failed \(Input/output error\)" \
    bounded "$COWBIRD_IO" -f raw -c 'write -q 0 4k' -c flush "$u"
end_server
nbdkit_at s -r file target
one_line 1 'export is read-only' "$COWBIRD_IMG" convert -n -f raw -O raw src "$u"
end_server

# Killed in the middle.
slow_at s src
kill_later true
one_line 1 "the connection to the NBD server at '.*' was lost" \
    bounded "$COWBIRD_IMG" convert -m 2 -f raw "$u" out
[ ! -e out ] || [ ! -s out ] || fail 'half an image was left'
slow_at s target
kill_later true
one_line 1 "the connection to the NBD server at '.*' was lost" \
    bounded "$COWBIRD_IMG" convert -m 2 -n -f raw -O raw src "$u"
one_line 1 "Failed to connect to '.*': Connection refused" \
    "$COWBIRD_IMG" info "$u"

# Not a server at all.
serve s python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(5)
while True:
    c = s.accept()[0]
    c.sendall(b"220 mail.example.org ESMTP\r\n" * 10)
    c.close()
' %s
one_line 1 "NBD server at '.*'" bounded "$COWBIRD_IMG" info "$u"
