#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever the sizes of disk, clusters and refcounts given to create: what ours
# makes, theirs writes to and finds in order, and the other way round.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/create-options.inc"

for size in 0 512 1000 1M 1048575 3333333; do
	try image "$size"
done
for size in 1T 64T; do
	huge=1
	try image "$size"
done
huge=
for bits in 9 10 11 12 13 14 15 17 18 19 20 21; do
	try -o cluster_size=$((1 << bits)) image 2M
done
for bits in 1 2 4 8 32 64; do
	try -o refcount_bits=$bits image 2M
	try -o refcount_bits=$bits,cluster_size=512 image 2M
done
echo "$count combinations"
