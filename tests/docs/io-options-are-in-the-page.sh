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

bad=0
problem() {
	echo "$*"
	bad=1
}
help_options <help >options
while read -r option; do
	grep -Eq -e "^- (def|use) $option\$" found ||
	    problem "$option is not in the page"
done <options
while read -r _ _ option; do
	grep -Fxq -e "$option" options ||
	    problem "the page has $option, the help does not"
done < <(grep '^- def' found || true)

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
[ $bad -eq 0 ] || fail "help and page differ"
