#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --fork returns when clients may come, holds no pipe of its caller, and passes
# on errors and exit codes; the pid file is there by then, and whole.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw
for ((i = 0; i < 30; i++)); do
	# The pipes end here although the server lives.
	said=$("$COWBIRD_NBD" --fork -t -k "$sock" --pid-file pid -f raw a.raw 2>&1)
	[ -z "$said" ] || fail "it says: $said"
	[ -S "$sock" ] || fail "no socket"
	read -r server <pid
	cleanup_fn kill_server "$server"
	[ "$(nbdinfo --size "$uri")" = 1048576 ]
	kill "$server"
	within 10 gone "$server"
	[ ! -e pid ] && [ ! -e "$sock" ] || fail "files are left"
done

# Without: the pid file is never seen empty.
"$COWBIRD_NBD" -t -k "$sock" --pid-file pid -f raw a.raw &
server=$!
cleanup_fn kill_server $server
until [ -e pid ]; do :; done
[ "$(cat pid)" = $server ] || fail "pid file: $(cat pid)"
nbdinfo --size "$uri" >/dev/null
stop

fails_with 1 'no-such-file' "$COWBIRD_NBD" --fork -k "$sock" no-such-file
fails_with 1 '/no-such-folder/s' \
    "$COWBIRD_NBD" --fork -k /no-such-folder/s -f raw a.raw
fails_with 1 '/no-such-folder/pid' \
    "$COWBIRD_NBD" --fork -k "$sock" --pid-file /no-such-folder/pid -f raw a.raw
[ ! -e "$sock" ] || fail "a socket is left"

# -v keeps stderr.
"$COWBIRD_NBD" --fork -v -k "$sock" --pid-file pid -f raw a.raw 2>err
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"\xff" * 64)' "$sock"
within 10 test -s err || fail "-v says nothing"
kill "$(cat pid)"
