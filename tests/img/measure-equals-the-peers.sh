#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# measure foretells the same sizes as the peer, of sizes and of images.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

both() {
	same_as_peer measure "$@"
	same_as_peer measure --output=json "$@"
}
make() {
	"$QEMU_IMG" create -q "$@"
}
make -f raw raw 64M
"$QEMU_IO" -f raw -c 'write 1M 3M' -c 'write 40M 64k' raw >/dev/null
make -f qcow2 base 64M
"$QEMU_IO" -c 'write 0 5M' -c 'write -z 2M 1M' -c 'discard 3M 1M' base >/dev/null
make -f qcow2 -b base -F qcow2 over 96M
"$QEMU_IO" -c 'write 10M 100k' -c 'write 80M 1' over >/dev/null
make -f qcow2 -o compat=0.10 old 10M
make -f qcow2 -o extended_l2=on ext 10M
"$QEMU_IO" -c 'write 0 2k' -c 'write 1M 40k' ext >/dev/null
"$QEMU_IMG" convert -c -O qcow2 base packed
make -f qcow2 bitmaps 100M
"$QEMU_IMG" bitmap --add bitmaps one
"$QEMU_IMG" bitmap --add -g 512 bitmaps 'number two'
head -c 1000 /dev/urandom >odd

for size in 0 1 512 1000 1M 1G 10T 64T; do
	both --size $size
	both --size $size -O raw
	for o in cluster_size=512 cluster_size=2M refcount_bits=1 \
	    refcount_bits=64 extended_l2=on compat=0.10 preallocation=metadata \
	    preallocation=falloc preallocation=full lazy_refcounts=on \
	    cluster_size=4k,refcount_bits=64; do
		both --size $size -O qcow2 -o $o
	done
	both --size $size -O qcow2
done
for image in raw base over old ext packed bitmaps odd; do
	both $image
	both -O qcow2 $image
	both -O qcow2 -o cluster_size=4k $image
	both -O qcow2 -o extended_l2=on,cluster_size=32k $image
	both -O qcow2 -o compat=0.10 $image
	both -O raw -U $image
done
both -f raw -O qcow2 raw
both --image-opts -O qcow2 driver=qcow2,file.filename=over
both -O qcow2 'json:{"driver":"qcow2","file":{"driver":"file","filename":"over"},"backing":null}'

both
both raw base
both --size 1M raw
both --size foo
both --size 99E
both --size 8E -O qcow2
both -O nosuch raw
both -O nosuch --size 1M
both -O qcow2 -o foo=1 raw
both -O qcow2 -o foo=1 --size 1M
both -O qcow2 -o cluster_size=3k --size 1M
both -O raw -o preallocation=full --size 1M
both -f raw --size 1M
both --image-opts --size 1M
both missing
both -f nosuch raw
no_difference
