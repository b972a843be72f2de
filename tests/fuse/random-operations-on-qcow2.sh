#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# 50,000 random operations on a qcow2 overlay through the mount do what they do
# on a plain file, and leave a sound image.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
exerciser

random_file base.raw 5M
"$COWBIRD_IMG" create -q -f qcow2 -b base.raw -F raw disk.qcow2 6M
touch mnt
show -f qcow2 --writable disk.qcow2 mnt
./exercise mnt 3 25000 mmap
hide
show -f qcow2 --writable --detect-zeroes unmap disk.qcow2 mnt
./exercise mnt 4 25000
cp mnt copy
hide
"$COWBIRD_IMG" check -q disk.qcow2
"$COWBIRD_IMG" compare -q -f raw -F qcow2 copy disk.qcow2
