#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A snapshot of an image in a Ceph cluster is what the image was, and only
# read; a clone shows what it has of its parent.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
p=rbd:$POOL

random_file old 8M
cp old new
printf 'changed' | dd of=new bs=1 seek=5000000 conv=notrunc status=none
quiet "$COWBIRD_IMG" convert -f raw -O raw old $p/i
rbd snap create --no-progress "$POOL/i@before"
quiet "$COWBIRD_IMG" convert -n -f raw -O raw new $p/i
quiet "$COWBIRD_IMG" compare -q -f raw -F raw old $p/i@before
quiet "$COWBIRD_IMG" compare -q -f raw -F raw new $p/i
quiet "$COWBIRD_IMG" convert -f raw -O raw $p/i@before back
same_file old back
quiet "$COWBIRD_IMG" compare -q old \
    "json:{\"driver\":\"rbd\",\"pool\":\"$POOL\",\"image\":\"i\",\"snapshot\":\"before\"}"
fails_with 1 'a snapshot can only be read' "$COWBIRD_IO" -f raw -c 'write 0 4k' $p/i@before
fails_with 1 'No such file' "$COWBIRD_IMG" info $p/i@none
fails_with 1 'a snapshot cannot be created' "$COWBIRD_IMG" create $p/x@y 1M

rbd snap protect "$POOL/i@before"
rbd clone "$POOL/i@before" "$POOL/clone"
quiet "$COWBIRD_IMG" compare -q -f raw -F raw old $p/clone
quiet "$COWBIRD_IO" -f raw -c 'write -P 9 1M 64k' -c flush $p/clone >/dev/null
"$COWBIRD_IO" -f raw -c 'read -P 9 1M 64k' $p/clone >/dev/null
quiet "$COWBIRD_IMG" compare -q -f raw -F raw old $p/i@before
"$COWBIRD_IMG" map -f raw --output=json $p/clone >map
! grep -q '"data": false' map || fail "what a clone has of its parent is no hole"
