#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# reopen changes what may be done, keeps what was written, and after a change
# that cannot be the file is open as before.
. "$(dirname "$0")/../lib.sh"

"$COWBIRD_IMG" create -q -f qcow2 a.q 1M
"$COWBIRD_IO" -f qcow2 a.q -c 'write -q -P 5 0 64k' -c 'reopen -r' \
    -c 'read -q -P 5 0 64k' -c 'reopen -w' -c 'write -q -P 6 64k 64k' \
    -c 'reopen -c none' -c 'write -q -P 7 128k 1' \
    -c 'reopen -o lazy-refcounts=on' -c 'read -q -P 7 128k 1' \
    -c 'read -q -P 6 64k 64k'
fails_with 1 'x' "$COWBIRD_IO" -f qcow2 a.q -c 'reopen -o x=y' \
    -c 'write -q -P 8 0 1' -c 'read -q -P 8 0 1'
[ ! -s stdout ] || { cat stdout; fail "the file was not open any more"; }
fails_with 1 'read-only' "$COWBIRD_IO" -f qcow2 a.q -c 'reopen -r' \
    -c 'write 0 1'
fails_with 1 'snapshot' "$COWBIRD_IO" -s -f qcow2 a.q -c 'reopen -r'
"$COWBIRD_IMG" check -q a.q
