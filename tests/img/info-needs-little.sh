#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# info works within the limits that services put around it (1 GiB of address
# space, 2 s), opens the named file alone, and reads little of it.
. "$(dirname "$0")/../lib.sh"
requires prlimit
requires_plain_build

"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=512 big 100G
"$COWBIRD_IMG" create -q -f qcow2 base 1M
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 top
rm base
for form in human json; do
	quiet prlimit --as=1073741824 --cpu=2 "$COWBIRD_IMG" info \
	    --output=$form big >/dev/null
	quiet prlimit --as=1073741824 --cpu=2 "$COWBIRD_IMG" info \
	    --output=$form top >/dev/null
done
command -v strace >/dev/null || exit 0
strace -f -o calls -e trace=openat,clone,clone3 "$COWBIRD_IMG" info big >/dev/null 2>&1 ||
    exit 0
! grep -E 'clone' calls || fail "info starts threads"
[ "$(grep -cE '"(/proc/self/fd/|big)' calls)" -le 3 ] ||
    { cat calls; fail "info opens more than it has to"; }
