#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The program's options and those of open do what the peer's do.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/io/io.inc"

both "$QEMU_IMG" create -q -f raw a.raw 1M
both "$QEMU_IMG" create -q -f qcow2 b.q 1M
w=(-c 'write 0 64k' -c 'discard 0 64k' -c 'read -v 0 4')

same nope
same -f raw nope
same -f zz a.raw
same -f qcow2 a.raw
same a.raw -c length
same -c 'read 0 1' a.raw -f raw
same -c length -c foo -c length -f raw a.raw
same -t x a.raw
same -d x a.raw
same -i x a.raw
for mode in none writeback writethrough directsync unsafe off; do
	same -t $mode -f raw a.raw -c 'write -P 3 5 7' -c 'read -v 0 20'
done
for mode in unmap on off ignore; do
	same -d $mode -f raw a.raw "${w[@]}"
done
same -f raw a.raw "${w[@]}"
for mode in threads native io_uring; do
	same -n -i $mode -f raw a.raw -c length
	same -i $mode -f raw a.raw -c length
done
same -k -f raw a.raw -c length
same -n -m -f raw a.raw -c 'read 0 1' -c 'write 1 3' -c 'read -v 0 20'
same --image-opts driver=raw,file.filename=a.raw -c 'read 0 1'
same --image-opts driver=raw,file.filename=nope
same --image-opts -f raw driver=raw,file.filename=a.raw
same 'json:{"driver":"raw","file":{"driver":"file","filename":"a.raw"}}' \
    -c length
same --object secret,id=a,data=x -f raw a.raw -c length
same -r -f raw a.raw -c 'write 0 1' -c 'write -z 0 1' -c 'discard 0 1' \
    -c 'truncate 2M' -c 'aio_write 0 1' -c 'writev 0 1' -c write \
    -c 'write x 1' -c 'truncate x' -c truncate -c 'reopen -w' -c 'write 0 1'
same -s -r -f qcow2 b.q -c 'write 0 1'
same -s -f qcow2 b.q -c 'write 0 1' -c info -c map
same -s -f raw a.raw -c 'write 0 1' -c info -c map -c 'truncate 2M' -c length
same -C -r -f qcow2 b.q -c length
same -U -f raw a.raw -c length
same -U -r -f raw a.raw -c length
same --cache none --discard on --aio threads --format raw --read-only \
    --cmd length a.raw
same --cache=none --snapshot --nocache --misalign --native-aio \
    --force-share -f raw a.raw -c length

for args in a.raw '-o driver=raw a.raw' '-o driver=raw,file.filename=a.raw' \
    '-r -o driver=raw a.raw' '-x a.raw' 'a.raw b' nope \
    '-o driver=qcow2 a.raw' '-t x b.q' '-d x b.q' '-i x b.q' '-n -s b.q' \
    '-o x=y b.q' '-o driver=zz b.q' '-U b.q' '-U -r b.q' "'a.raw"; do
	same -c "open $args" -c 'write 64k 1' -c length -c map
done
same_image a.raw
same_image b.q
no_difference
