#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A full or closed standard output is an error, a reader who leaves is not
# worth a word, and no image ever becomes descriptor 0, 1 or 2.
. "$(dirname "$0")/../lib.sh"
peer_names

"$COWBIRD_IMG" create -q -f qcow2 q 1M
cp q before
for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
	for command in --help --version 'info q' 'info --output=json q' \
	    'check q' 'map --output=json q' 'measure --size 1G' 'info --help' \
	    'create -f qcow2 -o help'; do
		rc=0
		# shellcheck disable=SC2086
		"$tool" $command >/dev/full 2>stderr || rc=$?
		[ $rc = 1 ] || fail "exit code $rc with a full stdout: $command"
		matches ': standard output: ' stderr
		rc=0
		# shellcheck disable=SC2086
		"$tool" $command >&- 2>stderr || rc=$?
		[ $rc = 1 ] || fail "exit code $rc with a closed stdout: $command"
	done
	"$tool" info q <&- >/dev/null || fail "closed stdin"
	"$tool" info q 2>&- >/dev/null || fail "closed stderr"
	"$tool" info missing 2>&- >/dev/null && fail "no error"
	"$tool" resize -f qcow2 q 1M <&- >&- 2>&- || true
done
same_file before q
