#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# There is a page for each tool, and mandoc finds nothing wrong in any page.
. "$(dirname "$0")/../lib.sh"
requires mandoc

cd "$SRC"
for tool in img io nbd fuse emu; do
	compgen -G "$tool/*.c" >"$TEST_TMP/sources" || continue
	compgen -G "man/cowbird-$tool.[1-8]" >"$TEST_TMP/page" ||
	    fail "cowbird-$tool has no page in man/"
done
# The date of a page and the system it names are not judged.
mandoc -Tlint -W warning man/*.[1-8] || fail "mandoc -Tlint"
