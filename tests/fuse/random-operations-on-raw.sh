#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# 50,000 random operations on a raw image through the mount do what they do on a
# plain file: with the kernel's cache, O_DIRECT, and mapped.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
exerciser

truncate -s 6M disk.raw
random_file part 1M
dd if=part of=disk.raw conv=notrunc status=none
touch mnt
show -f raw --writable disk.raw mnt
./exercise mnt 1 25000 mmap
hide
show -f raw --writable disk.raw mnt
./exercise mnt 2 25000
cp mnt copy
hide
same_file copy disk.raw
