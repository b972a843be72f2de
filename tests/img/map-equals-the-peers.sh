#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# map prints the peer's bytes, as text and as JSON: chains, zeros, holes,
# compressed and preallocated clusters, subclusters, data files, odd sizes.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

"$QEMU_IMG" create -q -f raw raw 1M
"$QEMU_IO" -f raw -c 'write 0 128k' -c 'write 512k 4k' raw >/dev/null
printf abc >odd
: >empty
"$QEMU_IMG" create -q -f qcow2 base 1M
"$QEMU_IO" -c 'write 0 512k' base >/dev/null
"$QEMU_IMG" create -q -f qcow2 -b base -F qcow2 mid 2M
"$QEMU_IO" -c 'write 64k 128k' mid >/dev/null
"$QEMU_IMG" create -q -f qcow2 -b mid -F qcow2 top
"$QEMU_IO" -c 'write 128k 128k' -c 'write 1536k 64k' -c 'write -z 0 64k' \
    top >/dev/null
"$QEMU_IMG" create -q -f qcow2 -b raw -F raw onraw
"$QEMU_IO" -c 'write 64k 64k' onraw >/dev/null
"$QEMU_IMG" convert -c -O qcow2 base packed
"$QEMU_IMG" create -q -f qcow2 -o preallocation=metadata prealloc 1M
"$QEMU_IMG" create -q -f qcow2 -o data_file=data data-file 1M
"$QEMU_IO" -c 'write 64k 64k' data-file >/dev/null
"$QEMU_IMG" create -q -f qcow2 -o extended_l2=on sub 1M
"$QEMU_IO" -c 'write 2k 4k' -c 'write -z 16k 8k' -c 'discard 0 2k' \
    sub >/dev/null
mkdir dir
"$QEMU_IMG" create -q -f qcow2 -b ../base -F qcow2 dir/over

for image in base mid top onraw packed prealloc data-file sub dir/over; do
	same_as_peer map $image
	same_as_peer map --output=json $image
	same_as_peer map --output=json -s 65000 -l 1000000 $image
done
for image in raw odd empty; do
	same_as_peer map -f raw $image
	same_as_peer map -f raw --output=json $image
done
same_as_peer map --output=json -s 1M base
same_as_peer map --output=json -s 7M base
same_as_peer map -s 7M base
same_as_peer map --output=json -l 0 base
for bad in foo -1 9E 99999999999999999999; do
	same_as_peer map --start-offset=$bad base
	same_as_peer map --max-length=$bad base
done
same_as_peer map --image-opts driver=qcow2,file.filename=top
same_as_peer map --output=json \
    'json:{"driver":"qcow2","file":{"driver":"file","filename":"dir/over"}}'
no_difference

# Under our own name as the peer has it since 8.2.
"$COWBIRD_IMG" map --output=json packed >own
matches '"data": true, "compressed": true' own
sed 's/, "compressed": [a-z]*//' own >without
"$QEMU_IMG" map --output=json packed | same_file /dev/stdin without
