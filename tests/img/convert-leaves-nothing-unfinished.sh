#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A convert that is interrupted, runs out of space or cannot read leaves no
# target that looks finished, and says what it left.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 8 small

random_file raw 33554432

# interrupted SIGNAL TARGET: a second into a slow convert.
interrupted() {
	local rc=0
	"$COWBIRD_IMG" convert -r 1M -f raw -O "$3" raw "$2" 2>stderr &
	sleep 0.7
	kill -"$1" $!
	wait $! || rc=$?
	[ $rc -gt 128 ] || fail "exit code $rc after $1"
	matches interrupted stderr
}
for format in raw qcow2; do
	interrupted TERM out $format
	[ ! -e out ] || fail "out is left"
	matches "'out' was incomplete and is removed" stderr
	echo before >old
	interrupted HUP old $format
	[ -e old ] && [ ! -s old ] || fail "old has something in it"
	matches "'old' was incomplete and is emptied" stderr

	fails_with 1 'No space left.*removed' \
	    "$COWBIRD_IMG" convert -f raw -O $format raw small/out
	[ ! -e small/out ] || fail "small/out is left"
done

# A kill that cannot be caught: the image does not open.
"$COWBIRD_IMG" convert -r 1M -f raw -O qcow2 raw out &
sleep 0.7
kill -KILL $!
wait $! 2>/dev/null || true
! "$COWBIRD_IMG" info -f qcow2 out >/dev/null 2>&1 || fail "half an image opens"
rm out

# An existing target is told from a new one.
"$COWBIRD_IMG" create -q -f qcow2 there 32M
rc=0
"$COWBIRD_IMG" convert -n -r 1M -f raw -O qcow2 raw there 2>stderr &
sleep 0.7
kill -TERM $!
wait $! || rc=$?
[ $rc -gt 128 ] || fail "exit code $rc"
matches "'there' is incomplete" stderr
"$COWBIRD_IMG" check -q there
