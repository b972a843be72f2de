#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The library prints nothing and ends nothing: no stdout, stderr, exit, abort
# or assert in formats/, the tools' own support (cli) and the debug log
# excepted, and what the rbd module does when the process ends anyway.  Writing
# to a stream that the caller handed in is no printing.
. "$(dirname "$0")/../lib.sh"
requires gcc

cd "$SRC"
calls='printf|vprintf|dprintf|vdprintf|puts|putchar|perror|psignal|syslog|warnx?|errx?|exit|_exit|_Exit|quick_exit|abort|assert|raise|kill|__builtin_trap'
bad=0
while read -r file; do
	# The preprocessor removes comments and keeps the lines' numbers; text
	# in quotes goes, too.
	if gcc -fpreprocessed -dD -E "$file" 2>/dev/null |
	    awk -v file="$file" -v calls="$calls" '
		/^# [0-9]+ "/ { line = $2; next }
		{
			gsub(/\\./, ""); gsub(/"[^"]*"/, "\"\"")
			if (match($0, "(^|[^A-Za-z0-9_>.])(" calls ")[ \t]*\\("))
				print file ":" line ": " $0
			if ($0 ~ /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/)
				print file ":" line ": " $0
			if ($0 ~ /#[ \t]*include[ \t]*<assert\.h>/)
				print file ":" line ": " $0
			line++
		}' | grep .; then
		bad=1
	fi
done < <(find formats \( -path formats/cli -o -path 'formats/base/log.c' \
    -o -path 'formats/modules/rbd/call.c' \) \
    -prune -o -name '*.[ch]' -print | sort)
[ $bad -eq 0 ] || fail "the library prints, exits or asserts"
