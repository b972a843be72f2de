#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option and command that cowbird-io's help shows is in its page, and
# the page describes no other.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/docs/options.inc"

page=$SRC/man/cowbird-io.1
[ -f "$page" ] || fail "no man/cowbird-io.1"
"$COWBIRD_IO" --help >help
"$COWBIRD_IO" -c help >commands.help
# "name [-flags] args -- what it does"
commands=$(sed -n 's/^ *\([a-z][a-z_]*\) .*-- .*/\1/p' commands.help | sort -u)
[ -n "$commands" ] || { cat commands.help; fail "the help lists no commands"; }
page_options "$page" "$commands" >found

help_options <help >options
same_options options found

for command in $commands; do
	grep -q "^$command section" found || {
		problem "$command: no section in the page"
		continue
	}
	# The letters of [-abC] and the options of [-P pattern [-s off]].
	{ sed -n "s/^ *$command \(.*\)-- .*/\1/p" commands.help |
	    grep -oE -e '-[A-Za-z]+' || true; } |
	    sed 's/^-//' | fold -w 1 | { grep . || true; } |
	    sed 's/^/-/' | sort -u >letters
	# Commands that take the same options may share what is said of them.
	while read -r option; do
		grep -Eq -e "^[a-z_]+ (def|use) $option\$" found ||
		    problem "$command: $option is not in the page"
	done <letters
done
in_step
