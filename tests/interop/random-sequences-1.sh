#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random operations by ours and the peer's in turn: cluster sizes and widths
# of refcounts, versions 2 and 3.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/random-sequences.inc"

RANDOM=${SEED:-1} seed=${SEED:-1}
variant '' 20971520 ''
run_variant 5 60
variant cluster_size=512 1500160 ''
run_variant 5 60
variant cluster_size=4096,refcount_bits=64 5000192 ''
run_variant 4 60
variant cluster_size=2097152,refcount_bits=8 52429312 ''
run_variant 4 40
variant compat=0.10 10485760 ''
run_variant 4 60
variant compat=0.10,cluster_size=1024 2097152 ''
run_variant 4 60
variant refcount_bits=1,cluster_size=16384 8388608 ''
run_variant 4 60
variant refcount_bits=2,cluster_size=8192,lazy_refcounts=on 6291968 ''
run_variant 4 60
variant refcount_bits=4,cluster_size=32768 8388608 ''
run_variant 3 60
variant refcount_bits=32,cluster_size=1048576,lazy_refcounts=on 30000128 ''
run_variant 3 40
echo "$total operations"
