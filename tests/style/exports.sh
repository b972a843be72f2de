#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The shared library exports the functions that cowbird.h declares, all of
# them and nothing else, under the version node of cowbird.map.
. "$(dirname "$0")/../lib.sh"
requires nm gcc
requires_plain_build

lib=$BUILD/lib/libcowbird.so.0
[ -f "$lib" ] || fail "no $lib: build first"
nm -D --defined-only --with-symbol-versions "$lib" | awk '$2 != "A" { print $3 }' |
    sort >exported
node=$(sed -n 's/^\(COWBIRD_[0-9.]*\) {.*/\1/p' "$SRC/formats/cowbird.map" |
    tail -n 1)
[ -n "$node" ] || fail "no version node in formats/cowbird.map"
if grep -v "^cowbird_[a-z0-9_]*@@COWBIRD_[0-9.]*\$" exported; then
	fail "exported, but not a cowbird_* name with a version"
fi
sed 's/@.*//' exported >names
gcc -E -P -fpreprocessed "$SRC/formats/cowbird.h" 2>/dev/null |
    grep -o '\<cowbird_[a-z0-9_]*[[:space:]]*(' | tr -d ' \t(' | sort -u >declared
if ! diff declared names >differences; then
	cat differences
	fail "cowbird.h (<) and the exports (>) differ"
fi
[ -s names ] || fail "nothing is exported"
