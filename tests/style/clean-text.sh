#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Text is clean: no white space at line ends, no CR, a newline at the end of
# the file, nothing left to do.
. "$(dirname "$0")/../lib.sh"

cd "$SRC"
# In two parts, so that this file does not find itself.
left='TO''DO|FIX''ME|XX''X'
find . \( -path ./build -o -path ./.git -o -path ./tests/fuzz/corpus \) -prune \
    -o -type f ! -name 'COPYING*' ! -name '*.gz' ! -name '*.zst' -print |
    sort >"$TEST_TMP/files"
bad=0
check() {
	local what=$1
	shift
	if tr '\n' '\0' <"$TEST_TMP/files" | xargs -0 grep -InE "$@"; then
		echo "^ $what"
		bad=1
	fi
}
check "white space at the end of the line" -e '[[:blank:]]+$'
check "carriage return" -e $'\r'
check "something left to do" -w -e "$left"
while read -r file; do
	if [ -s "$file" ] && grep -Iq . "$file" &&
	    [ -n "$(tail -c 1 "$file")" ]; then
		echo "$file: no newline at the end"
		bad=1
	fi
done <"$TEST_TMP/files"
[ $bad -eq 0 ] || fail "unclean text"
