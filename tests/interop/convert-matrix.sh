#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever is converted into whatever, the peer finds the result in order and
# equal to what its own convert makes of it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/interop.inc"

# Sources: data, text that packs, zeros written and holes, in all formats.
tool "$QEMU_IMG" create -q -f raw plain.raw 9999360
tool "$QEMU_IO" -f raw -c 'write -q -P 7 100000 1500000' \
    -c 'write -q -P 0 2M 1M' -c 'write -q -P 9 9990000 9360' plain.raw
head -c 700000 /dev/urandom | dd of=plain.raw bs=64k seek=60 conv=notrunc status=none
seq 150000 | dd of=plain.raw bs=64k seek=100 conv=notrunc status=none
tool "$QEMU_IMG" convert -f raw -O qcow2 plain.raw plain.qcow2
tool "$QEMU_IMG" convert -f raw -c -O qcow2 -o cluster_size=4k plain.raw packed.qcow2
tool "$QEMU_IMG" convert -f raw -c -O qcow2 \
    -o compression_type=zstd,extended_l2=on plain.raw zstd.qcow2
tool "$QEMU_IMG" create -q -f qcow2 -b packed.qcow2 -F qcow2 \
    -o extended_l2=on over.qcow2 12M
tool "$QEMU_IO" -c 'write -q -P 3 1M 3333' -c 'write -q -z 3M 1M' \
    -c 'write -q -P 4 11M 70k' over.qcow2
tool "$QEMU_IMG" create -q -f qcow2 -o data_file=out.data data.qcow2 9999360
tool "$QEMU_IMG" convert -n -f raw -O qcow2 plain.raw data.qcow2

# into ARG...: every source through our convert with these arguments.
into() {
	local source from format=raw
	for source in plain.raw plain.qcow2 packed.qcow2 zstd.qcow2 over.qcow2 \
	    data.qcow2; do
		from=${source##*.}
		doing="convert $* $source"
		case $* in *qcow2*) format=qcow2 ;; esac
		tool "$QEMU_IMG" convert -f "$from" -O raw "$source" model
		rm -f made
		tool "$COWBIRD_IMG" convert -q -f "$from" "$@" "$source" made
		[ $format = raw ] || clean made
		same_contents made $format model
		[ $source != over.qcow2 ] || same_views made $format
	done
}
into -O raw
into -O raw -S 0
into -O raw -S 64k
into -O raw -C
into -O raw -o preallocation=full
into -O qcow2
into -O qcow2 -c
into -O qcow2 -c -W -m 4
into -O qcow2 -c -o compression_type=zstd
into -O qcow2 -c -o cluster_size=512
into -O qcow2 -S 0
into -O qcow2 -S 64k -o cluster_size=4k
into -O qcow2 -W -m 16
into -O qcow2 -C
into -O qcow2 -o compat=0.10,cluster_size=1M
into -O qcow2 -o extended_l2=on,cluster_size=128k
into -O qcow2 -o preallocation=metadata
into -O qcow2 -o refcount_bits=1,lazy_refcounts=on
into -O qcow2 -o data_file=made.data
into -O qcow2 -o data_file=made.data,data_file_raw=on
