#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random operations by ours and the peer's in turn: external data files, raw
# and not, and all modes of preallocation.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/random-sequences.inc"

RANDOM=${SEED:-6} seed=${SEED:-6}
make_base raw '' 2000384
variant data_file=image.data 10485760 ''
run_variant 4 60
variant data_file=image.data,data_file_raw=on 10485760 ''
run_variant 4 60
variant data_file=image.data,extended_l2=on,cluster_size=16384 5242880 ''
run_variant 4 60
variant data_file=image.data,cluster_size=4096 5242880 backed
run_variant 4 60
variant data_file=image.data,data_file_raw=on,preallocation=metadata 5242880 ''
run_variant 3 60
variant preallocation=metadata 8388608 ''
run_variant 3 60
variant preallocation=falloc,cluster_size=16384 8388608 ''
run_variant 3 60
variant preallocation=full,cluster_size=4096 3145728 ''
run_variant 3 60
variant preallocation=metadata,extended_l2=on 8388608 ''
run_variant 3 60
variant preallocation=metadata,compat=0.10,cluster_size=512 1048576 ''
run_variant 3 60
variant preallocation=metadata,lazy_refcounts=on,refcount_bits=1 8388608 ''
run_variant 3 60
echo "$total operations"
