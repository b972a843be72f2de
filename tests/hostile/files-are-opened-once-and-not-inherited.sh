#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A file is opened by its name once (commit opens its base again and compares the
# two), each descriptor is closed in programs that are started, and temporary
# files have no name or are their owner's alone.
. "$(dirname "$0")/../lib.sh"
requires strace
requires_plain_build
strace -o calls true 2>/dev/null || skip "may not trace"

"$COWBIRD_IMG" create -q -f qcow2 base 4M
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 over
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 1M' over
trace() {
	strace -f -qq -o calls -e trace=open,openat,creat "$@" \
	    >said 2>&1 </dev/null || { cat said >&2; fail "$*"; }
	if grep -E 'open(at)?\(|creat\(' calls | grep -vE 'O_CLOEXEC|ENOENT'
	then
		fail "inherited by who is started: ${*##*/}"
	fi
	for file in over base; do
		[ "$2,$file" != commit,base ] || continue
		[ "$(grep -cE "\"([^\"]*/)?$file\".* = [0-9]+\$" calls)" -le 1 ] ||
		    { cat calls >&2; fail "opened twice: $file, ${*##*/}"; }
	done
}
trace "$COWBIRD_IMG" info over
trace "$COWBIRD_IMG" map over
trace "$COWBIRD_IMG" check over
trace "$COWBIRD_IMG" resize over 8M
trace "$COWBIRD_IMG" commit over
trace "$COWBIRD_IO" -f qcow2 -c 'write 0 64k' over
# A snapshot is temporary: nobody else finds it.
trace "$COWBIRD_IO" -s -f qcow2 -c 'write 0 64k' over
if grep -E 'O_CREAT' calls | grep -vE 'O_TMPFILE|O_EXCL.*0600'; then
	fail "a temporary file others may get at"
fi
