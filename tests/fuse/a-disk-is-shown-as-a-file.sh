#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An image of any format is shown as the bytes of its disk, on a file, read-only,
# to its owner alone; and it goes when it is told or unmounted.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse

random_file disk.raw 3M
"$COWBIRD_IMG" convert -q -f raw -O qcow2 -c disk.raw base.qcow2
"$COWBIRD_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 'a,b\c.qcow2'
touch mnt
for name in disk.raw base.qcow2 'a,b\c.qcow2'; do
	show "$name" mnt
	same_file disk.raw mnt
	[ "$(stat -c '%a %s %U' mnt)" = "400 3145728 $(id -un)" ] ||
	    fail "$(stat mnt)"
	grep " $PWD/mnt fuse.cowbird " /proc/mounts >mounted
	for word in ro nosuid nodev noexec default_permissions; do
		matches "[ ,]$word[ ,]" mounted
	done
	! grep allow_other mounted || fail "others may look"
	# Whoever asks: the file system is read-only.
	! dd if=disk.raw of=mnt count=1 conv=notrunc 2>err || fail "written"
	matches 'Read-only file system' err
	hide
	[ ! -s mnt ] || fail "still there"
done

# Options that need not be spelled out.
show --image-opts driver=qcow2,file.filename=base.qcow2 mnt
same_file disk.raw mnt
hide INT
show -f raw -o fsname=other,max_read=65536 disk.raw mnt
grep -q "^other $PWD/mnt fuse.cowbird .*max_read=65536" /proc/mounts ||
    fail "options are not passed on"
same_file disk.raw mnt
hide HUP

# Unmounted by somebody else.
show disk.raw mnt
fusermount3 -u mnt
wait $fuse_pid
[ ! -s fuse.err ] || fail "says something"

# A part of the peer's habit: over the image itself.
cp base.qcow2 over
show -f qcow2 over over
same_file disk.raw over
hide
same_file base.qcow2 over
