#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands on qcow2 images, with a backing file and without, say what the
# peer's say, and leave the same contents.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/io/io.inc"

both "$QEMU_IMG" create -q -f qcow2 base.q 1M
both "$QEMU_IO" -f qcow2 base.q -c 'write -q -P 9 0 100k' \
    -c 'write -q -P 8 300k 200k'
for options in cluster_size=64k cluster_size=4k compat=0.10 \
    extended_l2=on,cluster_size=16k refcount_bits=1 lazy_refcounts=on \
    compression_type=zstd backing_file=base.q,backing_fmt=qcow2; do
	both "$QEMU_IMG" create -q -f qcow2 -o "$options" a.q 1M
	same_commands qcow2 a.q <<-'EOF'
	info;map;length;alloc 0;alloc 0 1M;read 0 64k
	write 64k 64k;write -P 7 200000 3;alloc 0 1M;alloc 64k 1M;map;read -v 199990 20
	write -P 1 256k 128k;read -P 1 256k 128k;discard 256k 64k;read -P 0 256k 64k;read -P 1 320k 64k
	write -c 512k 64k;read -P 0xcd 512k 64k;write -c 65024 64k;write -c 1M 64k
	truncate 3M;length;map;truncate 2500k;length;alloc 1M 3M
	writev -P 5 700k 1k 2k 3k;readv -P 5 700k 6k;aio_write -P 6 700k 1k;aio_flush;read -P 6 700k 1k
	reopen -r;write 0 1;reopen -w;write 0 1;flush;info
	EOF
	same_image a.q
	[ "$differ" -eq 0 ] || fail "$options: $differ differences"
done

both "$QEMU_IMG" create -q -f qcow2 a.q 10G
same_commands qcow2 a.q <<'EOF'
write 64k 64k;write 1G 1M;write -c 4G 64k;map;alloc 0 10G;truncate 5G;map
truncate -m full 5121M;truncate -m falloc 5122M;truncate -m metadata 5123M;map
truncate 0;map;info;truncate 64k;map;write -c 0 64k;read -P 0xcd 0 64k
EOF
same_image a.q
no_difference
