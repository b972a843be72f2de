#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The socket and the pid file of a dead server are replaced, those of a living
# one, and files that are no socket, are not; at the end only what is the
# server's own is removed.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw b.raw
serve -t -f raw a.raw
kill -KILL "$server"
within 10 gone "$server"
[ -S "$sock" ] && [ -e pid ] || fail "what a dead server leaves is not there"
echo 4444444444 >>pid
"$COWBIRD_NBD" --fork -t -k "$sock" --pid-file pid -f raw a.raw
read -r server <pid
cleanup_fn kill_server "$server"
[ "$(wc -l <pid)" = 1 ] || fail "the old pid file shows through"
nbdinfo --size "$uri" >/dev/null

fails_with 1 'in use' "$COWBIRD_NBD" -k "$sock" -f raw b.raw
fails_with 1 'pid file' \
    "$COWBIRD_NBD" -k "$sock.2" --pid-file pid -f raw b.raw
[ ! -e "$sock.2" ] || fail "a socket is left"
nbdinfo --size "$uri" >/dev/null

# Somebody puts other files there: they stay.
rm "$sock" pid
echo mine >"$sock"
echo mine >pid
kill "$server"
within 10 gone "$server"
[ "$(cat "$sock" pid)" = $'mine\nmine' ] || fail "foreign files are removed"

fails_with 1 'in use' "$COWBIRD_NBD" -k "$sock" -f raw a.raw
[ "$(cat "$sock")" = mine ] || fail "a file was taken for a socket"
