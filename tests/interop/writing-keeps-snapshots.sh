#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Internal snapshots that the peer made, one with the state of a machine, read
# the same after ours has written to the image, and the peer finds it in order.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/interop.inc"
requires python3

RANDOM=${SEED:-1}
snapshot_reads() {
	tool "$QEMU_IMG" convert -f qcow2 -l "snapshot.name=$1" -O raw image got
	cmp got "$2" >&2 || wrong "snapshot $1 has changed"
}

# churn IO: random writes, zeros and discards to image and model.
churn() {
	local i off len ops=() model_ops=()
	for ((i = 0; i < 40; i++)); do
		random 63; off=$((reply * 65536))
		pick 65536 70000 4096 131072 200; len=$reply
		[ $((off + len)) -le 4194304 ] || len=$((4194304 - off))
		pick "write -q -P $((i + 1))" "write -q -P $((i + 1))" \
		    'write -q -z' 'write -q -z -u' discard
		if [ "$reply" = discard ]; then
			ops+=(-c "discard -q $off 65536")
			model_ops+=(-c "write -q -z $off 65536")
		else
			ops+=(-c "$reply $off $len")
			model_ops+=(-c "${reply/ -u/} $off $len")
		fi
	done
	tool "$1" -f qcow2 "${ops[@]}" image
	tool "$QEMU_IO" -f raw "${model_ops[@]}" model
}

for options in cluster_size=64k cluster_size=512 compat=0.10 \
    extended_l2=on refcount_bits=64 lazy_refcounts=on \
    compression_type=zstd,cluster_size=4k; do
	doing="snapshots in $options"
	rm -f image model
	tool "$QEMU_IMG" create -q -f qcow2 -o $options image 4M
	tool "$QEMU_IMG" create -q -f raw model 4M
	churn "$QEMU_IO"
	tool "$QEMU_IO" -c 'discard -q 1M 1M' -c 'write -q -c -P 99 1M 1M' image
	tool "$QEMU_IO" -f raw -c 'write -q -P 99 1M 1M' model
	tool "$QEMU_IMG" snapshot -c one image
	cp model one
	churn "$COWBIRD_IO"
	clean image
	snapshot_reads one one
	tool "$QEMU_IMG" snapshot -c two image
	cp model two
	churn "$COWBIRD_IO"
	churn "$COWBIRD_IO"
	clean image
	snapshot_reads one one
	snapshot_reads two two
	same_contents image qcow2 model
	same_views image qcow2
	# The peer drops one, goes back to the other.
	tool "$QEMU_IMG" snapshot -d one image
	clean image
	churn "$COWBIRD_IO"
	clean image
	same_contents image qcow2 model
	tool "$QEMU_IMG" snapshot -a two image
	clean image
	same_contents image qcow2 two
done

# A machine's state lies behind the end of the disk, known to the snapshot
# alone: a disk of 5 MiB is snapshot, then called one of 4 MiB.
doing='a snapshot with the state of a machine'
patch() {
	python3 - "$@" <<-'END'
	import struct, sys
	disk, state = int(sys.argv[1]), int(sys.argv[2])
	f = open('image', 'r+b')
	f.seek(60)
	count, table = struct.unpack('>IQ', f.read(12))
	f.seek(24)
	f.write(struct.pack('>Q', disk))
	f.seek(table + 32)
	f.write(struct.pack('>I', state))
	f.seek(table + 40)
	f.write(struct.pack('>QQ', state, disk))
	END
}
rm -f image model
tool "$QEMU_IMG" create -q -f qcow2 -o cluster_size=512 image 5M
tool "$QEMU_IMG" create -q -f raw model 5M
churn "$QEMU_IO"
tool "$QEMU_IO" -c 'write -q -P 77 4M 1M' image
tool "$QEMU_IO" -f raw -c 'write -q -P 77 4M 1M' model
tool "$QEMU_IMG" snapshot -c state image
cp model state
tool "$QEMU_IO" -c 'discard -q 4M 1M' image
patch $((4 << 20)) $((1 << 20))
tool "$QEMU_IMG" resize -q --shrink -f raw model 4M
clean image
churn "$COWBIRD_IO"
churn "$COWBIRD_IO"
clean image
same_views image qcow2
same_contents image qcow2 model
"$QEMU_IMG" info image | grep -Eq '^1 +state +1 MiB' || wrong "no state"
patch $((5 << 20)) 0
snapshot_reads state state
