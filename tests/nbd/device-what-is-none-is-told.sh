#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# -c and -d of what is no NBD device, or is not there: one clear line, and no
# server stays behind.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M raw
one_line() {
	fails_with 1 "$@"
	[ "$(wc -l <stderr)" = 1 ] || { cat stderr; fail "not one line"; }
}
one_line 'not an NBD device' "$COWBIRD_NBD" --connect=/dev/null \
    --format=raw --discard=unmap --detect-zeroes=on --pid-file pid raw
one_line '/dev/no-such: No such file' "$COWBIRD_NBD" -c /dev/no-such -v \
    --pid-file pid -f raw raw
one_line 'no-such-file' "$COWBIRD_NBD" -c /dev/null -f raw no-such-file
one_line 'not an NBD device' "$COWBIRD_NBD" --disconnect /dev/null
one_line '/dev/no-such: No such file' "$COWBIRD_NBD" -d /dev/no-such
[ ! -e pid ] || fail "a pid file is left"
# Whoever still had it open would keep this from writing.
"$COWBIRD_IO" -f raw -c 'write 0 512' raw >/dev/null
