#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A source file has at most 1000 lines; what is longer is split.
. "$(dirname "$0")/../lib.sh"

cd "$SRC"
{ find formats img io nbd fuse emu -name '*.[ch]' -exec wc -l {} + \
    2>/dev/null || true; } |
    awk '$2 != "total" && $1 > 1000 { print; bad = 1 } END { exit bad }' ||
    fail "longer than 1000 lines"
