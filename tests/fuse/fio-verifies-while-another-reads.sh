#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What fio writes at random, many at a time, it reads back, raw and qcow2, while
# others read the same disk.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
requires fio

touch mnt
for fmt in raw qcow2; do
	"$COWBIRD_IMG" create -q -f $fmt disk.$fmt 32M
	show -f $fmt --writable disk.$fmt mnt
	while cat mnt >/dev/null; do :; done 2>/dev/null &
	reader=$!
	cleanup_fn kill $reader
	for direct in 0 1; do
		fio --name=verify --filename=mnt --rw=randwrite --bs=512-64k \
		    --bs_unaligned=0 --blockalign=4k --bsrange=4k-64k \
		    --size=32M --ioengine=psync --thread --numjobs=1 \
		    --direct=$direct --verify=crc32c --fsync=64 \
		    --output-format=terse >log || { cat log; fail fio; }
		fio --name=deep --filename=mnt --rw=randwrite --bs=4k \
		    --size=32M --ioengine=io_uring --iodepth=16 \
		    --direct=$direct --verify=crc32c --io_size=16M \
		    --output-format=terse >log ||
		    fio --name=deep --filename=mnt --rw=randwrite --bs=4k \
		    --size=32M --ioengine=libaio --iodepth=16 \
		    --direct=$direct --verify=crc32c --io_size=16M \
		    --output-format=terse >log || { cat log; fail fio; }
	done
	kill $reader
	wait $reader || true
	hide
done
"$COWBIRD_IMG" check -q disk.qcow2
