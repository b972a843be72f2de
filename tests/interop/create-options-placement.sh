#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wherever create puts the data, in backing and data files or in advance: what
# ours makes, theirs writes to and finds in order, and the other way round.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/create-options.inc"

for options in data_file=data data_file=data,data_file_raw=on \
    data_file=data,cluster_size=512 data_file=data,extended_l2=on \
    data_file=data,lazy_refcounts=on,refcount_bits=64; do
	try -o $options image 2M
done
for mode in metadata falloc full; do
	for options in cluster_size=64k cluster_size=512 cluster_size=2M \
	    extended_l2=on compat=0.10 data_file=data lazy_refcounts=on \
	    data_file=data,data_file_raw=on refcount_bits=64,cluster_size=4k; do
		try -o preallocation=$mode,$options image 2M
	done
done
for backing in '-b base.raw -F raw' '-b base.qcow2 -F qcow2'; do
	for options in cluster_size=64k cluster_size=512 cluster_size=1M \
	    extended_l2=on compat=0.10 data_file=data lazy_refcounts=on \
	    preallocation=metadata data_file=data,data_file_raw=on; do
		# shellcheck disable=SC2086
		try $backing -o $options image
	done
	# shellcheck disable=SC2086
	try $backing image 700k
	# shellcheck disable=SC2086
	try $backing image 5M
done
echo "$count combinations"
