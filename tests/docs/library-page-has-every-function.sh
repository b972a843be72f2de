#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cowbird(3) lists the functions that cowbird.h declares and no others, and
# describes every flag of cowbird_open().
. "$(dirname "$0")/../lib.sh"
requires gcc

gcc -E -P -fpreprocessed "$SRC/formats/cowbird.h" 2>/dev/null |
    grep -o '\<cowbird_[a-z0-9_]*[[:space:]]*(' | tr -d ' \t(' | sort -u >declared
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.F[no] \(cowbird_[a-z_]*\).*/\1/p' \
    "$SRC/man/cowbird.3" | sort >listed
diff declared listed || fail "cowbird.h (<) and cowbird.3 (>) differ"
sed -n 's/^#define \(COWBIRD_[A-Z_]*\)[[:space:]]*0x[0-9a-f]*u.*/\1/p' \
    "$SRC/formats/cowbird.h" | sort >flags
sed -n 's/^\.It Dv \(COWBIRD_[A-Z_]*\)$/\1/p' "$SRC/man/cowbird.3" | sort >described
[ -s flags ] || fail "no flags found"
diff flags described || fail "flags in cowbird.h (<) and cowbird.3 (>) differ"
