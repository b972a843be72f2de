#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A file system is made on the mount, mounted by loop and by fuse2fs, and keeps
# what is written to it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
PATH=$PATH:/sbin:/usr/sbin
requires mkfs.ext4 e2fsck sfdisk

truncate -s 64M table
printf 'label: gpt\n2048,61440\n65536,\n' | sfdisk -q table
"$COWBIRD_IMG" convert -q -f raw -O qcow2 table disk.qcow2
mkdir dir fs
show --writable disk.qcow2 dir
mkfs.ext4 -q dir/p1
mkfs.ext4 -q dir/p2
e2fsck -fn dir/p1 >/dev/null 2>&1
if [ "$(id -u)" -eq 0 ] && losetup -f >/dev/null 2>&1 &&
    mount -o loop dir/p1 fs 2>/dev/null; then
	cleanup_fn umount -l fs
	cp -r "$SRC/formats" fs/
	umount fs
	mount -o loop,ro dir/p1 fs
	diff -r "$SRC/formats" fs/formats
	umount fs
	e2fsck -fn dir/p1 >/dev/null 2>&1
fi
if command -v fuse2fs >/dev/null; then
	fuse2fs -o fakeroot dir/p2 fs
	cleanup_fn fusermount3 -u -q -z fs
	cp -r "$SRC/formats" fs/
	diff -r "$SRC/formats" fs/formats
	fusermount3 -u fs
	# It writes the rest when it ends.
	for _ in {1..500}; do
		! e2fsck -fn dir/p2 >/dev/null 2>&1 || break
		sleep 0.02
	done
	e2fsck -fn dir/p2 >/dev/null 2>&1
fi
hide
"$COWBIRD_IMG" check -q disk.qcow2

# The same through the disk, and onto a file.
touch mnt
truncate -s 32M plain.raw
show -f raw --writable plain.raw mnt
mkfs.ext4 -q -F mnt
if [ "$(id -u)" -eq 0 ] && mount -o loop mnt fs 2>/dev/null; then
	cp -r "$SRC/formats" fs/
	umount fs
fi
hide
e2fsck -fn plain.raw >/dev/null 2>&1
