#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random operations by ours and the peer's in turn: overlays over backing
# files of other formats, sizes and cluster sizes; subclusters.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/random-sequences.inc"

RANDOM=${SEED:-2} seed=${SEED:-2}
make_base qcow2 '' 5242880
variant '' 10485760 backed
run_variant 4 60
variant cluster_size=4096 5242880 backed
run_variant 4 60
variant compat=0.10 5242880 backed
run_variant 4 60
variant extended_l2=on 8388608 backed
run_variant 5 60
make_base qcow2 cluster_size=2097152 7000064
variant cluster_size=512 1600000 backed
run_variant 3 60
variant extended_l2=on,cluster_size=16384 7000064 backed
run_variant 4 60
variant compat=0.10,cluster_size=2048 3000320 backed
run_variant 3 60
make_base raw '' 2000384
variant cluster_size=1048576 20971520 backed
run_variant 4 40
variant extended_l2=on,cluster_size=131072,compression_type=zstd 9000448 backed
run_variant 4 60
make_base qcow2 extended_l2=on,cluster_size=32768 4000256
variant lazy_refcounts=on 4000256 backed
run_variant 4 60
echo "$total operations"
