#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every command and option that cowbird-img's help shows is in its page, and
# the page describes no other.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/docs/options.inc"

page=$SRC/man/cowbird-img.1
[ -f "$page" ] || fail "no man/cowbird-img.1"
"$COWBIRD_IMG" --help >help
commands=$(help_commands <help)
[ -n "$commands" ] || { cat help; fail "the help lists no commands"; }
page_options "$page" "$commands" >found

help_options <help >all.help
for command in $commands; do
	grep -q "^$command section" found ||
	    problem "$command: no section in the page"
	"$COWBIRD_IMG" "$command" --help >command.help </dev/null ||
	    problem "$command --help exits $?"
	help_options <command.help >options
	cat options >>all.help
	while read -r option; do
		grep -Eq -e "^($command|-) (def|use) $option\$" found ||
		    problem "$command: $option is not in the page"
	done <options
	while read -r _ _ option; do
		grep -Fxq -e "$option" options ||
		    problem "$command: the page has $option, the help does not"
	done < <(grep "^$command def" found || true)
done
while read -r _ _ option; do
	grep -Fxq -e "$option" all.help ||
	    problem "the page has $option, no help does"
done < <(grep '^- def' found || true)
# Sections of commands that are not there.
while read -r name; do
	grep -Fxq -e "$name" <<<"$commands" ||
	    problem "the page has a section $name, the help does not"
done < <(awk '/^\.Sh/ { on = /COMMANDS/ } on && /^\.Ss/ {
	print ($2 == "Ic" || $2 == "Cm") ? $3 : $2 }' "$page")
in_step
