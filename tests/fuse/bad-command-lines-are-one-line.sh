#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What cannot be done is said in one line, with exit code 1, and mounts nothing.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse

truncate -s 1M disk.raw
touch mnt
mkfifo fifo
refused() {
	fails_with 1 "$@"
	[ "$(wc -l <stderr)" -eq 1 ] || fail "more than a line: $*"
	! grep -q " $PWD/mnt " /proc/mounts || fail "mounted: $*"
}
refused 'expected the image' "$COWBIRD_FUSE"
refused 'expected the image' "$COWBIRD_FUSE" disk.raw
refused 'expected the image' "$COWBIRD_FUSE" disk.raw mnt more
refused 'unrecognized option' "$COWBIRD_FUSE" --nothing disk.raw mnt
refused 'missing argument' "$COWBIRD_FUSE" disk.raw mnt -o
refused 'growable needs --writable' \
    "$COWBIRD_FUSE" --growable disk.raw mnt
refused 'cannot be written' \
    "$COWBIRD_FUSE" --writable -l a disk.raw mnt
refused 'for reading' "$COWBIRD_FUSE" --writable -U disk.raw mnt
refused 'needs --discard' "$COWBIRD_FUSE" --detect-zeroes=unmap \
    --discard=ignore disk.raw mnt
refused "discard mode 'x'" "$COWBIRD_FUSE" --discard x disk.raw mnt
refused "zero detection 'x'" "$COWBIRD_FUSE" --detect-zeroes x disk.raw mnt
refused "aio mode 'x'" "$COWBIRD_FUSE" --aio x disk.raw mnt
refused "cache mode 'x'" "$COWBIRD_FUSE" -t x disk.raw mnt
refused "threads '0'" "$COWBIRD_FUSE" --threads 0 disk.raw mnt
refused 'nodir/mnt: No such file' "$COWBIRD_FUSE" disk.raw nodir/mnt
refused 'neither a regular file nor a folder' "$COWBIRD_FUSE" disk.raw fifo
refused 'nothing: No such file' "$COWBIRD_FUSE" nothing mnt
refused 'not in qcow2 format' "$COWBIRD_FUSE" -f qcow2 disk.raw mnt
refused "nknown .*format|nknown driver" "$COWBIRD_FUSE" -f nonsense disk.raw mnt
refused 'mutually exclusive' \
    "$COWBIRD_FUSE" -f raw --image-opts driver=raw mnt
refused 'unknown option' "$COWBIRD_FUSE" -f raw -o nonsense disk.raw mnt

# Two writers.
touch other
show -f raw --writable disk.raw other
refused 'lock' "$COWBIRD_FUSE" --writable -f raw disk.raw mnt
hide
