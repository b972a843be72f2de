#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a file system with reflinks convert copies no data: source and target
# share their blocks, raw and qcow2 alike.
. "$(dirname "$0")/../lib.sh"
requires "$COWBIRD_IMG"
requires mkfs.xfs filefrag
need_root

truncate -s 400M disk
mkfs.xfs -q -m reflink=1 disk
mkdir fs
mount -o loop disk fs 2>/dev/null || skip "may not mount a loop device"
cleanup_fn umount -l fs

random_file fs/source 48M
sync -f fs/source
before=$(df --output=used -k fs | tail -n 1)
for format in raw qcow2; do
	"$COWBIRD_IMG" convert -f raw -O $format fs/source fs/target.$format
	same=$("$COWBIRD_IMG" compare -f raw -F $format fs/source \
	    fs/target.$format)
	[ "$same" = "Images are identical." ] || fail "$format: $same"
	filefrag -v fs/target.$format | grep -q shared ||
	    fail "$format: no block is shared"
done
sync -f fs/source
after=$(df --output=used -k fs | tail -n 1)
[ $((after - before)) -lt 8192 ] ||
    fail "$((after - before)) KiB more are used"
