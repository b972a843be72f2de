#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random operations by ours and the peer's in turn on images whose refcounts
# and tables outgrow their first place.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/random-sequences.inc"

RANDOM=${SEED:-5} seed=${SEED:-5}
variant cluster_size=512,refcount_bits=64 20971520 ''
run_variant 5 60
variant cluster_size=512,refcount_bits=1,compat=1.1 16777216 ''
run_variant 4 60
variant cluster_size=1024,refcount_bits=64,lazy_refcounts=on 30000128 ''
run_variant 4 60
variant compat=0.10,cluster_size=512 12000256 ''
run_variant 4 60
make_base raw '' 9000448
variant cluster_size=512,refcount_bits=32,compression_type=zstd 9000448 backed
run_variant 4 60
echo "$total operations"
