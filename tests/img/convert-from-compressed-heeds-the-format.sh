#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is compressed may be a qcow2 image, whose tables lie anywhere; -f speaks
# of the file itself, with --unpack of its contents; under the peer's name only
# --unpack unpacks.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/unpack.so" ] || skip "needs the module unpack"
requires gzip xz zstd

random_file disk.raw 1M
truncate -s 4M disk.raw
dd if=/dev/urandom of=disk.raw bs=1M seek=3 count=1 conv=notrunc 2>/dev/null
$COWBIRD_IMG convert -O qcow2 -o cluster_size=4k disk.raw disk.qcow2
gzip -1 <disk.qcow2 >disk.qcow2.gz
xz -0 <disk.qcow2 >disk.qcow2.xz
xz -0 --block-size=1MiB <disk.qcow2 >disk.qcow2.many.xz
zstd -q disk.qcow2 -o disk.qcow2.zst
xz -0 <disk.raw >disk.raw.xz

is_disk() {
	quiet $COWBIRD_IMG convert "$@" out
	same_file disk.raw out
}
for name in disk.qcow2.*; do
	is_disk "$name"
done

# What is said about the format.
is_disk --unpack -f qcow2 disk.qcow2.xz
is_disk --unpack -f qcow2 disk.qcow2
quiet $COWBIRD_IMG convert --unpack -f raw disk.qcow2.gz out
same_file disk.qcow2 out
quiet $COWBIRD_IMG convert -f raw disk.qcow2.gz out
cmp -n "$(stat -c %s disk.qcow2.gz)" disk.qcow2.gz out >&2
fails_with 1 "not in qcow2 format" $COWBIRD_IMG convert -f qcow2 disk.qcow2.gz out
peer_names
quiet "$PEER_IMG" convert disk.raw.xz out
cmp -n "$(stat -c %s disk.raw.xz)" disk.raw.xz out >&2
quiet "$PEER_IMG" convert --unpack disk.raw.xz out
same_file disk.raw out
