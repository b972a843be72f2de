#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# convert -l and measure -l show an internal snapshot as the peer does, by id,
# by name and by both; with its own size, where the image has another now.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

# both ARG...: convert by the peer and by us, the same words and bytes.
both() {
	rm -f theirs.raw ours.raw
	run_and_keep theirs "$QEMU_IMG" convert -O raw "$@" theirs.raw
	run_and_keep ours "$PEER_IMG" convert -O raw "$@" ours.raw
	judge convert "$@"
	if [ "$(cat theirs.rc)" = 0 ]; then
		same_file theirs.raw ours.raw
	fi
}

"$QEMU_IMG" create -q -f raw base.raw 6M
"$QEMU_IO" -f raw -c 'write -q -P 9 0 6M' base.raw

for options in cluster_size=64k cluster_size=512 extended_l2=on \
    compat=0.10 cluster_size=4k,compression_type=zstd; do
	rm -f image
	"$QEMU_IMG" create -q -f qcow2 -o "$options" -b base.raw -F raw image 8M
	# The second one is named as the first one is numbered.
	"$QEMU_IO" -c 'write -q -P 1 0 100k' -c 'write -q -c -P 2 1M 64k' image
	"$QEMU_IMG" snapshot -c one image
	"$QEMU_IO" -c 'write -q -P 3 50k 3M' -c 'discard -q 0 64k' \
	    -c 'write -q -z 5M 1M' image
	"$QEMU_IMG" snapshot -c 1 image
	"$QEMU_IO" -c 'write -q -P 4 0 8M' image
	"$QEMU_IMG" snapshot -c 'a,b=c' image
	for which in one 1 2 3 none '' 'a,b=c' snapshot.id=1 snapshot.id=9 \
	    snapshot.name=1 snapshot.id=1,snapshot.name=one \
	    snapshot.id=1,snapshot.name=1 'snapshot.name=a,,b=c' \
	    snapshot.name=none; do
		both -l "$which" image
		same_as_peer measure -O qcow2 -l "$which" image
	done
	both -U -l one image
	both --image-opts -l one driver=qcow2,file.filename=image
	both -l one -l 2 image
done
both -l one image image
both -f raw -l one base.raw
same_as_peer measure -f raw -l one base.raw
same_as_peer measure -l one
no_difference

fails_with 1 "snapshot.foo" "$COWBIRD_IMG" convert -O raw -l snapshot.foo=1 \
    image out.raw
fails_with 1 "image: no internal snapshot 'none'" \
    "$COWBIRD_IMG" convert -O raw -l none image out.raw
[ ! -e out.raw ] || fail "left something behind"

# The peer gives a snapshot the size of today: it shows what lies past its end,
# or cuts it.  Ours has the size it had.
"$QEMU_IMG" create -q -f qcow2 image 4M
"$QEMU_IO" -c 'write -q -P 1 3M 1M' image
"$QEMU_IMG" convert -O raw image small.raw
"$QEMU_IMG" snapshot -c small image
"$QEMU_IMG" resize -q image 600M
"$QEMU_IO" -c 'write -q -P 2 599M 1M' image
"$QEMU_IMG" convert -O raw image large.raw
"$QEMU_IMG" snapshot -c large image
"$QEMU_IMG" resize -q --shrink image 1M
for size in small large; do
	quiet "$COWBIRD_IMG" convert -O raw -l $size image out.raw
	same_file $size.raw out.raw
done
