#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a cache, aio or discard mode is called is known to formats/modes.c alone:
# lists of the same words elsewhere have been off by one.
. "$(dirname "$0")/../lib.sh"

cd "$SRC"
found=$(grep -rnE --include='*.[ch]' \
    '"(io_uring|directsync|writethrough)"' \
    formats img io nbd fuse | grep -v '^formats/modes\.c:' || true)
same_text '' "$found" "words for modes outside of formats/modes.c"
grep -q '"io_uring"' formats/modes.c || fail "formats/modes.c has no words"
