#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With standard input, output or error closed, or output full, commands that
# write images do their work or fail, and nothing of what they print ever
# lands in an image.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
doing="closed descriptors"

head -c 1048576 /dev/urandom >raw
"$COWBIRD_IMG" create -q -f raw other 1M
for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' \
    '<&- >&- 2>&-' '>/dev/full' '>/dev/full 2>/dev/full'; do
	run() {
		local rc=0
		eval '"$@" '"$closed" || rc=$?
		case $closed,$rc in
		*,0 | *'>&-'*,1 | *full*,1) ;;
		*) fail "exit code $rc with $closed: ${*##*/}" ;;
		esac
	}
	rm -f new base over
	run "$COWBIRD_IMG" convert -p -f raw -O qcow2 raw new >shown 2>errors
	if [ -e new ]; then
		sound new
		reads_like new qcow2 raw
	fi
	run "$COWBIRD_IMG" create -f qcow2 base 1M >shown 2>errors
	sound base
	"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 over
	run "$COWBIRD_IO" -f qcow2 -c 'write -P 5 0 64k' -c 'read 0 64k' \
	    -c 'read -v 0 64' over >shown 2>errors
	"$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 5 0 64k' -c 'read -q -P 0 64k 960k' \
	    over
	run "$COWBIRD_IMG" commit -p over >shown 2>errors
	run "$COWBIRD_IMG" rebase -p -f qcow2 -b raw -F raw over >shown 2>errors
	run "$COWBIRD_IMG" resize -f qcow2 over 2M >shown 2>errors
	run "$COWBIRD_IMG" check -r all over >shown 2>errors
	run "$COWBIRD_IMG" compare -p -f raw -F raw raw raw >shown 2>errors
	sound base
	sound over
	"$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 5 0 64k' -c 'read -q -P 0 64k 960k' \
	    over
done
# dd's output is standard output.
for full in '>/dev/full' '>&-'; do
	rc=0
	eval '"$COWBIRD_IMG" dd if=raw '"$full" 2>stderr || rc=$?
	[ $rc -eq 1 ] || fail "dd $full: exit code $rc"
	[ "$(wc -l <stderr)" -eq 1 ] || fail "dd $full: not one line"
done
"$COWBIRD_IMG" dd if=raw bs=64k 2>stderr | head -c 10 >/dev/null || true
