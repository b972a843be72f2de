#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A write the file system has no room for fails, with the reason, and what
# was there before is still there; so does output to a full device.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 8 small

"$COWBIRD_IMG" create -q -f qcow2 small/a.q 64M
"$COWBIRD_IO" -f qcow2 small/a.q -c 'write -q -P 5 0 1M' -c flush
rc=0
"$COWBIRD_IO" -f qcow2 small/a.q -c 'write -P 6 1M 32M' >out 2>&1 || rc=$?
[ $rc -eq 1 ] || fail "exit code $rc"
matches 'write failed: .*No space left on device' out
"$COWBIRD_IO" -r -f qcow2 small/a.q -c 'read -q -P 5 0 1M'

fails_with 1 'No space left' sh -c \
    '"$COWBIRD_IO" -r -f qcow2 small/a.q -c length >/dev/full'
