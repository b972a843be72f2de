#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images in a Ceph cluster: every tool reads and writes them, raw and qcow2,
# and they grow as files do.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/ceph.sh"
cluster_use
p=rbd:$POOL

random_file raw $((9 << 20 | 512))
truncate -s 48M raw
quiet "$COWBIRD_IMG" convert -f raw -O raw raw $p/raw
quiet "$COWBIRD_IMG" convert -f raw -O qcow2 raw $p/q
quiet "$COWBIRD_IMG" check -q $p/q
quiet "$COWBIRD_IMG" compare -q raw $p/raw
quiet "$COWBIRD_IMG" compare -q raw $p/q
quiet "$COWBIRD_IMG" convert -O qcow2 -c $p/q $p/packed
quiet "$COWBIRD_IMG" convert -O raw $p/packed back
same_file raw back
"$COWBIRD_IMG" info $p/q >info
matches "^image: $p/q\$" info
matches '^virtual size: 48 MiB' info

# One that is there is not replaced, but written to by who says so.
fails_with 1 'cannot create it: File exists' "$COWBIRD_IMG" create -f raw $p/raw 1M
fails_with 1 'File exists' "$COWBIRD_IMG" convert -f raw -O raw back $p/raw
quiet "$COWBIRD_IMG" convert -n -f raw -O raw back $p/raw
fails_with 1 'No such file' "$COWBIRD_IMG" info $p/none
fails_with 1 "the pool 'nosuchpool': No such file" "$COWBIRD_IMG" info rbd:nosuchpool/x

# What was made for a creation that fails goes again.
fails_with 1 'No such file' "$COWBIRD_IMG" create -f qcow2 -o data_file=/none/x $p/broken 1M
! rbd -p "$POOL" ls | grep -x broken || fail "a broken image is left"

# So does what was made for a job that fails.
seq 1000000 >text
quiet "$COWBIRD_IMG" convert -c -f raw -O qcow2 text torn
random_file noise 256k
dd if=noise of=torn bs=64k seek=20 conv=notrunc status=none
for format in raw qcow2; do
	fails_with 1 'broken.* was incomplete and is removed' \
	    "$COWBIRD_IMG" convert -O $format torn $p/broken
	! rbd -p "$POOL" ls | grep -x broken || fail "half a copy is left"
done

# An overlay beside its backing image; it grows by writing.
quiet "$COWBIRD_IMG" create -q -f qcow2 -F qcow2 -b q $p/top
quiet "$COWBIRD_IO" -c 'write -P 7 1M 256k' -c flush -c 'discard 4M 4M' \
    -c 'write -z 12M 1M' -c 'write -P 8 20M 9M' $p/top >/dev/null
"$COWBIRD_IO" -c 'read -P 7 1M 256k' -c 'read -P 0 12M 1M' \
    -c 'read -P 8 20M 9M' $p/top >out
! grep -i fail out || fail "what was written is not read back"
quiet "$COWBIRD_IMG" check -q $p/top
quiet "$COWBIRD_IMG" commit -q $p/top
"$COWBIRD_IO" -c 'read -P 7 1M 256k' -c 'read -P 8 20M 9M' $p/q >out
! grep -i fail out || fail "what was committed is not there"

# Sizes.
quiet "$COWBIRD_IMG" resize -q -f raw $p/raw 64M
[ "$(rbd info --format json "$POOL/raw" | tr , '\n' | grep '"size"')" = '"size":67108864' ] ||
    fail "the raw image was not grown"
quiet "$COWBIRD_IO" -f raw -c 'read -P 0 48M 16M' -c 'write -P 3 60M 4M' $p/raw >/dev/null
quiet "$COWBIRD_IMG" resize -q --shrink -f raw $p/raw 1M
quiet "$COWBIRD_IMG" resize -q -f raw $p/raw 64M
quiet "$COWBIRD_IO" -f raw -c 'read -P 0 60M 4M' $p/raw >/dev/null
quiet "$COWBIRD_IMG" create -q -f raw $p/odd 1000000
"$COWBIRD_IO" -f raw -c 'write -P 5 999936 512' -c 'read -P 5 999936 512' $p/odd >out
! grep -i fail out || fail "the last sector is not to be had"

# Names: a namespace; letters that mean something; options; several at once.
rbd namespace create "$POOL/space"
quiet "$COWBIRD_IMG" create -q -f qcow2 $p/space/i 1M
rbd -p "$POOL" --namespace space ls | grep -qx i
quiet "$COWBIRD_IMG" check -q $p/space/i
quiet "$COWBIRD_IMG" create -q -f raw "$p/a\\:b" 1M
rbd -p "$POOL" ls | grep -qx a:b
conf=$CEPH_CONF
(
	export CEPH_CONF=/none
	mon=$(sed -n 's/^mon_host = //p' "$conf")
	port=${mon##*:} port=${port%%/*}
	quiet "$COWBIRD_IMG" info "$p/q:conf=$conf" >/dev/null
	quiet "$COWBIRD_IMG" info \
	    "$p/q:mon_host=127.0.0.1\\:$port:auth_client_required=none:id=admin" >/dev/null
	quiet "$COWBIRD_IMG" info --image-opts "driver=qcow2,file.driver=rbd,file.pool=$POOL,file.image=q,file.server.0.host=127.0.0.1,file.server.0.port=$port,file.auth-client-required.0=none" >/dev/null
	fails_with 1 "no ceph.conf" "$COWBIRD_IMG" info $p/q
)
