#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What was never written to an image in a Ceph cluster, or was given back, is
# told as a hole, and nothing else is.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
p=rbd:$POOL

# map PATTERN...: the runs of data, "start length" one a line
runs() {
	"$COWBIRD_IMG" map -f raw --output=json "$1" |
	    sed -n 's/.*"start": \([0-9]*\), "length": \([0-9]*\),.*"data": true.*/\1 \2/p'
}
m=$((1 << 20))
quiet "$COWBIRD_IMG" create -q -f raw $p/i 256M
# With an object map in whole objects (of 4 MiB), as the peer has it, without
# one exactly.
same_text "" "$(runs $p/i)" "the map of an empty image"
quiet "$COWBIRD_IO" -f raw -c 'write -P 1 8M 8M' -c 'write -P 2 64M 1M' \
    -c 'write -P 3 100M 4k' -c 'write 252M 4M' $p/i >/dev/null
same_text "$((8 * m)) $((8 * m))
$((64 * m)) $((4 * m))
$((100 * m)) $((4 * m))
$((252 * m)) $((4 * m))" "$(runs $p/i)" "the map"
rbd create "$POOL/exact" --size 256M --image-feature layering
quiet "$COWBIRD_IO" -f raw -c 'write -P 1 8M 8M' -c 'write -P 2 64M 1M' \
    -c 'write -P 3 100M 4k' -c 'write 252M 4M' $p/exact >/dev/null
for _ in $(seq 5); do		# what librbd tells comes in any order
	same_text "$((8 * m)) $((8 * m))
$((64 * m)) $m
$((100 * m)) 4096
$((252 * m)) $((4 * m))" "$(runs $p/exact)" "the map without an object map"
done
quiet "$COWBIRD_IMG" convert -f raw -O raw $p/exact exact
quiet "$COWBIRD_IMG" compare -q -f raw -F raw exact $p/i

# In pieces: a range that begins in the middle of an object, of a hole.
"$COWBIRD_IMG" map -f raw --output=json -s $((9 * m)) -l $((60 * m)) $p/i |
    grep -o '"start": [0-9]*, "length": [0-9]*' >got
same_text "\"start\": $((9 * m)), \"length\": $((7 * m))
\"start\": $((16 * m)), \"length\": $((48 * m))
\"start\": $((64 * m)), \"length\": $((4 * m))
\"start\": $((68 * m)), \"length\": $m" "$(cat got)" "the map of a range"

# Given back, and zeroed: gone from the map, and zeros.
quiet "$COWBIRD_IO" -f raw -d unmap -c 'discard 8M 4M' -c 'write -z -u 64M 4M' $p/i >/dev/null
"$COWBIRD_IO" -f raw -c 'read -P 0 8M 4M' -c 'read -P 1 12M 4M' -c 'read -P 0 64M 4M' $p/i >out
! grep -i fail out || fail "wrong data after discard"
same_text "$((12 * m)) $((4 * m))
$((100 * m)) $((4 * m))
$((252 * m)) $((4 * m))" "$(runs $p/i)" "the map after discard"
# Odd pieces of zeros are zeros all the same.
quiet "$COWBIRD_IO" -f raw -c 'write -z 12M 512' -c 'write -z 13000704 3000320' $p/i >/dev/null
"$COWBIRD_IO" -f raw -c 'read -P 0 12M 512' -c 'read -P 1 12583424 417280' \
    -c 'read -P 0 13000704 3000320' -c 'read -P 1 16001024 776192' $p/i >out
! grep -i fail out || fail "wrong data after zeros"

# A sparse copy stays one; a fully mapped hole of a large image is soon told.
quiet "$COWBIRD_IMG" convert -f raw -O qcow2 $p/i out.qcow2
[ "$(stat -c %s out.qcow2)" -lt $((12 * m)) ] || fail "the copy is not sparse"
quiet "$COWBIRD_IMG" compare -q -f raw $p/i out.qcow2
quiet "$COWBIRD_IMG" create -q -f raw $p/large 1T
quiet "$COWBIRD_IO" -f raw -c 'write -P 1 512G 64k' $p/large >/dev/null
same_text "$((512 << 30)) $((4 * m))" "$(runs $p/large)" "the map of a large image"
