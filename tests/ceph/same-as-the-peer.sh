#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What we write to a Ceph cluster the peer reads, and the other way about.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
requires_oracle
p=rbd:$POOL
"$QEMU_IMG" info $p/none >out 2>&1 || true
! grep -q 'Unknown' out || skip "needs the peer's rbd driver (qemu-block-extra)"

random_file raw 11M
truncate -s 40M raw
printf x | dd of=raw bs=1 seek=$((30 << 20)) conv=notrunc status=none
for format in raw qcow2; do
	quiet "$COWBIRD_IMG" convert -f raw -O $format raw $p/ours.$format
	"$QEMU_IMG" compare -q -f raw -F $format raw $p/ours.$format
	"$QEMU_IMG" convert -q -f raw -O $format raw $p/theirs.$format
	quiet "$COWBIRD_IMG" compare -q -f raw -F $format raw $p/theirs.$format
	quiet "$COWBIRD_IMG" compare -q $p/theirs.$format $p/ours.$format
done
"$QEMU_IMG" check -q $p/ours.qcow2
quiet "$COWBIRD_IMG" check -q $p/theirs.qcow2

# In turns on one image.
"$QEMU_IO" -c 'write -P 1 1M 3M' -c 'discard 8M 4M' $p/ours.qcow2 >/dev/null
quiet "$COWBIRD_IO" -c 'read -P 1 1M 3M' -c 'write -P 2 2M 5M' $p/ours.qcow2 >/dev/null
"$QEMU_IO" -c 'read -P 1 1M 1M' -c 'read -P 2 2M 5M' $p/ours.qcow2 >out
! grep -i fail out || fail "the peer does not read what was written"
quiet "$COWBIRD_IMG" check -q $p/ours.qcow2

# Names, the peer's own text for one included.
for name in "$p/ours.raw:id=admin" "$p/ours.raw:conf=$CEPH_CONF" \
    "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"$POOL\",\"image\":\"ours.raw\",\"conf\":\"$CEPH_CONF\"}}"; do
	"$QEMU_IMG" info "$name" >/dev/null
	quiet "$COWBIRD_IMG" compare -q "$name" raw
done
quiet "$COWBIRD_IMG" create -q -f raw "$p/a\\:b\\@c" 1M
"$QEMU_IMG" info "$p/a\\:b\\@c" >/dev/null

# What they call data, to the end of its last object, holds what we do.
"$QEMU_IMG" map -f raw --output=json $p/ours.raw >theirs
"$COWBIRD_IMG" map -f raw --output=json $p/ours.raw >ours
grep -q '"data": false' theirs
python3 - <<'P'
import json
def data(name):
    return [(e["start"], e["start"] + e["length"])
            for e in json.load(open(name)) if e["data"]]
theirs = data("theirs")
for a, b in data("ours"):
    assert any(x <= a and b <= y for x, y in theirs), (a, b, theirs)
P
