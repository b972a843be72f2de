#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A user without rights shows an image, reads and writes it, and takes it away;
# nobody else sees it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse
need_root
requires setpriv unshare
if [ -z "${TEST_IN_NAMESPACE-}" ]; then
	TEST_IN_NAMESPACE=1 exec unshare -m bash "$test_script"
fi
# As it is everywhere but here: open to all.
mknod fuse c 10 229 2>/dev/null || skip "may not make a device"
chmod 666 fuse
mount --bind fuse /dev/fuse 2>/dev/null || skip "may not mount"
cleanup_fn umount -l /dev/fuse

# The tests' own folder may be closed to others; this one is ours alone.
mount -t tmpfs tmpfs /media 2>/dev/null || skip "may not mount a tmpfs"
cleanup_fn umount -l /media
cd /media
mkdir home && chown 65534:65534 home
cp "$COWBIRD_FUSE" cowbird-fuse
cat >home/script <<'END'
set -e
cd home
head -c 2M /dev/urandom >disk.raw
touch mnt
mkdir dir
for target in mnt dir; do
	../cowbird-fuse -f raw --writable disk.raw $target 2>err &
	pid=$!
	disk=$target
	[ $target = mnt ] || disk=dir/disk
	for i in $(seq 500); do
		[ "$(stat -c %s $disk 2>/dev/null)" = 2097152 ] && break
		sleep 0.02
	done
	cmp disk.raw $disk
	[ "$(stat -c '%u %a' $disk)" = '65534 600' ]
	head -c 8192 /dev/urandom | dd of=$disk bs=4k seek=9 conv=notrunc,fsync status=none
	cmp disk.raw $disk
	touch ready-$target
	for i in $(seq 500); do
		[ -e done-$target ] && break
		sleep 0.02
	done
	kill $pid
	wait $pid
	[ ! -s err ]
	grep -q " $PWD/$target " /proc/mounts && exit 8
done
../cowbird-fuse -f raw disk.raw /etc/passwd 2>/dev/null && exit 7
../cowbird-fuse -f raw -o allow_other disk.raw mnt 2>/dev/null && exit 6
exit 0
END
chmod 644 home/script
setpriv --reuid=65534 --regid=65534 --clear-groups bash home/script &
user=$!
for target in mnt dir; do
	for _ in {1..1000}; do
		[ ! -e home/ready-$target ] || break
		sleep 0.02
	done
	[ -e home/ready-$target ] || fail "not shown"
	# Not even root may look.
	! stat home/$target >/dev/null 2>&1 || fail "others may look"
	touch home/done-$target
done
wait $user
