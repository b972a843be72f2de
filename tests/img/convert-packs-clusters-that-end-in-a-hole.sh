#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A cluster of which the source holds only a part is compressed like any
# other: its rest is zeros.
. "$(dirname "$0")/../lib.sh"
requires "$COWBIRD_IMG"

truncate -s 4M source
for at in 0 15 33 63; do
	printf '%4096s' text |
	    dd of=source bs=4k seek=$((at * 16 + at)) conv=notrunc status=none
done
"$COWBIRD_IMG" convert -c -f raw -O qcow2 source target
packed=$("$COWBIRD_IMG" map --output=json target |
    grep -c '"compressed": true')
[ "$packed" -ge 4 ] || fail "$packed runs of compressed clusters"
if "$COWBIRD_IMG" map --output=json target |
    grep '"data": true' | grep -q '"compressed": false'; then
	fail "a cluster is not compressed"
fi
same=$("$COWBIRD_IMG" compare -f raw -F qcow2 source target)
[ "$same" = "Images are identical." ] || fail "$same"
