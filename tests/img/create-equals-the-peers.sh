#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# create takes the same options as the peer, says the same ("Formatting ...",
# errors, -o help), and what it makes looks the same to the peer.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

for side in theirs ours; do
	(
		cd $side || exit
		"$QEMU_IMG" create -q -f qcow2 base 10M
		"$QEMU_IMG" create -q -f raw raw 3M
		"$QEMU_IMG" create -q -f qcow2 'we ird,na=me' 1M
		mkdir sub
	)
done

# both NAME ARG...: create, then the peer's info of what was made (theirs may
# have holes where ours has none, and the other way round).
both() {
	apart create "$@"
	if [ -f theirs/new ] || [ -f ours/new ]; then
		for side in theirs ours; do
			(
				cd $side
				rc=0
				"$QEMU_IMG" info new 2>&1 |
				    grep -v '^disk size' || rc=$?
				"$QEMU_IMG" check new 2>&1 | grep -v offset ||
				    rc=$?
			) >$side.out || true
			: >$side.err
			rm -f "$side/new" "$side/data"
		done
		judge "(the image of) create $*"
	fi
}

# Sizes.
for size in 0 1 512 513 1000 1b 1k 1K 1.5k 10M 1G 1T 0x1000 +5M ' 5M' 5x 1e3 \
    99E 8E 16E 9223372036854775808 '' foo -- 5.5 5MB; do
	both -f raw new "$size"
	both -f qcow2 new "$size"
done
both new 1M
both -f qcow2 -o size=2M new
both -f qcow2 -o size=2M new 1M
both -f qcow2 new
both -f raw new

# Options of qcow2.
for o in compat=0.10 compat=1.1 compat=v2 compat=v3 compat=9 \
    cluster_size=512 cluster_size=1k cluster_size=4096 cluster_size=2M \
    cluster_size=256 cluster_size=4M cluster_size=3k cluster_size=foo \
    cluster_size lazy_refcounts=on lazy_refcounts lazy_refcounts=yes \
    lazy_refcounts=maybe refcount_bits=1 refcount_bits=2 refcount_bits=4 \
    refcount_bits=8 refcount_bits=32 refcount_bits=64 refcount_bits=7 \
    refcount_bits=128 refcount_bits=0 refcount_bits=8k refcount_bits=0x8 \
    extended_l2=on extended_l2=on,cluster_size=16k \
    extended_l2=on,cluster_size=8k compression_type=zstd \
    compression_type=zlib compression_type=lzo preallocation=off \
    preallocation=metadata preallocation=falloc preallocation=full \
    preallocation=x data_file=data data_file=data,data_file_raw=on \
    data_file_raw=on compat=0.10,lazy_refcounts=on \
    compat=0.10,refcount_bits=8 compat=0.10,data_file=data \
    compat=0.10,extended_l2=on compat=0.10,compression_type=zstd \
    preallocation=metadata,extended_l2=on,cluster_size=64k \
    nocow=on extent_size_hint=1M,nocow=off foo=bar foo '' , \
    encryption=off cluster_size=4k,compat=v3,lazy_refcounts=on; do
	both -f qcow2 -o "$o" new 5M
done
both -f qcow2 -o cluster_size=64k -o lazy_refcounts=on new 5M
both -f qcow2 -o cluster_size=4k new 100G
both -f qcow2 -o cluster_size=512 new 1T

# Options of raw.
for o in preallocation=off preallocation=falloc preallocation=full \
    preallocation=foo nocow=on nocow=maybe foo=1 \
    size=5 cluster_size=4k extent_size_hint=1M,preallocation=off; do
	both -f raw -o "$o" new 1M
done
apart create -f raw -o preallocation=metadata new 1M

# Backing files.
both -f qcow2 -b base -F qcow2 new
both -f qcow2 -b base -F qcow2 new 20M
both -f qcow2 -b base -F qcow2 new 5M
both -f qcow2 -b raw -F raw new
both -f qcow2 -b base new
both -f qcow2 -b raw new
both -f qcow2 -o backing_file=base,backing_fmt=qcow2,compat=0.10 new
both -f qcow2 -o backing_file=base -F qcow2 new
both -f qcow2 -b missing -F raw -u new 1M
both -f qcow2 -b missing -F raw -u new
both -f qcow2 -b missing -u new 1M
both -f qcow2 -b missing -F raw new 1M
both -f qcow2 -b missing -F raw new
both -f qcow2 -b missing new
both -f qcow2 -b 'we ird,na=me' -F qcow2 new
both -f qcow2 -b '' new 1M
both -f raw -b base -F qcow2 new 1M
both -f raw -F qcow2 new 1M
both -f qcow2 -F raw new 1M
both -f qcow2 -b base -F nosuch new
both -f qcow2 -b new -F qcow2 new 1M
both -f qcow2 -b base -F qcow2 -o data_file=data,data_file_raw=on new

# Places.
both -f qcow2 sub 1M
both -f qcow2 missing/new 1M
both -f raw missing/new 1M
both -f nosuch new 1M
both -f qcow2 nosuch:new 1M
both -q -f qcow2 new 1M
both -f qcow2 new 1M 2M
both -f qcow2

# -o help.
both -f qcow2 -o help new
both -f raw -o help new
both -f qcow2 -o cluster_size=4k,help
both -f qcow2 -o help
both -f raw -o '?'
both -f nosuch -o help
both -o help
no_difference
