#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ctrl-C and TERM end each long command with one line and exit code 130 or
# 143; a target that was made is removed; what is changed in place keeps its
# contents, and the command can be given again.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
requires_plain_build

random_file raw 25165824
"$COWBIRD_IMG" convert -f raw -O qcow2 raw source
cp source source.before
"$COWBIRD_IMG" create -q -f qcow2 base.before 24M
cp base.before base
"$COWBIRD_IMG" convert -f raw -O qcow2 -B base -F qcow2 raw over.before

# interrupt CMD...: after some time, by both signals.
interrupt() {
	local signal code rc pid
	for signal in INT TERM; do
		doing="$signal: ${*##*/}"
		code=143
		[ $signal = TERM ] || code=130
		before
		# A background job of a script ignores INT: give it back.
		env --default-signal=INT "$@" >said 2>&1 </dev/null &
		pid=$!
		sleep 0.5
		kill -$signal $pid 2>/dev/null ||
		    { cat said >&2; fail "$doing: was done before"; }
		rc=0
		{ wait $pid; } 2>/dev/null || rc=$?
		[ $rc -eq $code ] ||
		    { cat said >&2; fail "$doing: exit code $rc"; }
		[ "$(tr '\r' '\n' <said | grep -c '^cowbird-img: ')" -eq 1 ] ||
		    { cat said >&2; fail "$doing: not one line"; }
		matches 'interrupted' said
		after
	done
}

before() {
	rm -f target data
}
after() {
	[ ! -e target ] && [ ! -e data ] || fail "$doing: a target is left"
	matches "'target' was incomplete and is removed" said
	same_file source source.before
}
interrupt "$COWBIRD_IMG" convert -r 10M -f qcow2 -O raw source target
interrupt "$COWBIRD_IMG" convert -r 10M -f qcow2 -O qcow2 source target
interrupt "$COWBIRD_IMG" convert -r 10M -c -f qcow2 -O qcow2 source target
interrupt "$COWBIRD_IMG" convert -r 10M -W -m 4 -f qcow2 -O qcow2 \
    -o data_file=data source target

before() {
	cp base.before base
	cp over.before over
}
after() {
	sound base
	sound over
	reads_like over qcow2 raw
	quiet "$COWBIRD_IMG" commit -q over
	reads_like base qcow2 raw
}
interrupt "$COWBIRD_IMG" commit -q -r 10M over
