#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Persistent bitmaps that the peer made know of what ours has written, as if
# the peer had written it; disabled ones stay; the peer finds all in order.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/interop.inc"
requires qemu-nbd

server=
stop_server() {
	[ -z "$server" ] || kill "$server"
}
cleanup_fn stop_server

# dirty NAME BITMAP: what is set in it, as a map.
dirty() {
	local i
	rm -f socket
	qemu-nbd -r -k "$PWD/socket" -B "$2" -f qcow2 "$1" &
	server=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -S socket ] || break
		sleep 0.05
	done
	"$QEMU_IMG" map --output=json --image-opts "driver=nbd,export=,\
server.type=unix,server.path=$PWD/socket,\
x-dirty-bitmap=qemu:dirty-bitmap:$2" >map
	wait "$server"
	server=
}

ops=(-c 'write -q -P 1 1M 100k' -c 'write -q -z 5M 64k' -c 'write -q -z -u 6M 1M'
    -c 'discard -q 1M 64k' -c 'write -q -P 2 9M 1' -c 'write -q -P 3 10485248 512'
    -c 'write -q -c -P 4 3M 64k' -c 'flush' -c 'write -q -P 5 3M 100')
for options in cluster_size=64k cluster_size=512 extended_l2=on \
    lazy_refcounts=on data_file=image.data; do
	doing="bitmaps in $options"
	rm -f image image.data theirs.image
	case $options in data_file*) ops=("${ops[@]/write -q -c/write -q}") ;; esac
	tool "$QEMU_IMG" create -q -f qcow2 -o $options image 10M
	tool "$QEMU_IMG" bitmap --add --enable -g 64k image auto
	tool "$QEMU_IMG" bitmap --add --enable -g 512 image fine
	tool "$QEMU_IMG" bitmap --add --disable -g 64k image still
	tool "$QEMU_IO" -c 'write -q -P 9 0 200k' -c 'write -q -P 8 8M 1M' image
	cp image theirs.image
	tool "$COWBIRD_IO" -f qcow2 "${ops[@]}" image
	clean image
	for bitmap in auto fine still; do
		dirty image $bitmap
		[ $bitmap = still ] || grep -q '"data": false' map ||
		    wrong "nothing is set in $bitmap"
		mv map ours.$bitmap
	done
	same_views image qcow2
	tool "$QEMU_IO" -f qcow2 "${ops[@]}" theirs.image
	for bitmap in auto fine still; do
		dirty theirs.image $bitmap
		cmp -s map ours.$bitmap || {
			diff map ours.$bitmap | head -n 20 >&2
			wrong "bitmap $bitmap: < theirs, > ours"
		}
	done
	tool "$QEMU_IMG" bitmap --merge auto image still
	tool "$QEMU_IMG" bitmap --remove image auto
	clean image
done
