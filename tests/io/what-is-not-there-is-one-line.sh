#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands ours has not, and what cannot be done, give one line and exit
# status 1; the commands after it are run.
. "$(dirname "$0")/../lib.sh"

"$COWBIRD_IMG" create -q -f qcow2 a.q 1M
one_line() {
	local rc=0
	"$COWBIRD_IO" -f qcow2 a.q -c "$1" -c length >out 2>&1 || rc=$?
	[ $rc -eq 1 ] || fail "$1: exit code $rc"
	matches "$2" out
	same_text "1 MiB" "$(tail -n 1 out)"
	[ "$(wc -l <out)" -eq 2 ] || { cat out; fail "$1: not one line"; }
}
one_line 'break write_aio x' 'Could not set breakpoint: .*not supported'
one_line 'remove_break x' 'Could not remove breakpoint x: '
one_line 'resume x' 'Could not resume request: '
one_line 'wait_break x' 'not supported'
for command in zone_report zrp zone_open zo zone_close zc zone_finish zf \
    zone_reset zrs zone_append zap; do
	one_line "$command 0 1" 'zoned devices are not supported'
done
one_line 'write -b 0 512' 'write failed: .*vm state'
one_line 'read -b 0 512' 'read failed: .*vm state'
one_line 'read 1M 1' 'read failed: .*not within the image'
one_line 'truncate -m full' '^truncate .*prealloc_mode'
one_line 'read -P 0 -s 9223372036854775807 -l 9 0 4' 'exceeds end'
one_line 'nope' 'command "nope" not found'
