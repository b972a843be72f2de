#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever the versions and features given to create: what ours makes, theirs
# writes to and finds in order, and the other way round.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/create-options.inc"

for options in compat=0.10 compat=1.1 compat=v2 compat=v3 lazy_refcounts=on \
    compression_type=zstd compression_type=zlib nocow=on extended_l2=on \
    extended_l2=on,cluster_size=16k extended_l2=on,cluster_size=2M \
    extended_l2=on,lazy_refcounts=on,refcount_bits=1,compression_type=zstd \
    compat=0.10,cluster_size=512 compat=0.10,cluster_size=2M; do
	try -o $options image 2M
done
# What cannot be is refused by both.
for options in cluster_size=256 cluster_size=3k cluster_size=4M refcount_bits=3 \
    refcount_bits=128 compat=0.11 compat=0.10,lazy_refcounts=on \
    compat=0.10,refcount_bits=8 compat=0.10,extended_l2=on \
    extended_l2=on,cluster_size=8k compression_type=lz4 \
    compat=0.10,compression_type=zstd data_file_raw=on preallocation=some \
    compat=0.10,data_file=data nonsense=1; do
	try -o $options image 2M
done
echo "$count combinations"
