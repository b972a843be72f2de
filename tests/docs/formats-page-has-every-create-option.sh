#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each format has a section in cowbird-formats(5), and it names all the
# options that create has for it.
. "$(dirname "$0")/../lib.sh"

page=$SRC/man/cowbird-formats.5
formats=$("$COWBIRD_IMG" --help | sed -n 's/^Supported formats://p')
[ -n "$formats" ] || fail "the help names no formats"
for format in $formats; do
	sed -n "/^\.Ss $format\$/,/^\.S/p" "$page" >section
	[ -s section ] || fail "no section $format"
	"$COWBIRD_IMG" create -f "$format" -o help some.file |
	    sed -n 's/^  \([a-z0-9._-]*\)=.*/\1/p' >options
	[ -s options ] || fail "$format has no options"
	while read -r option; do
		grep -Eq -e "^\.It .*\<$option\>" section ||
		    fail "$format: $option is not in the page"
	done <options
done
