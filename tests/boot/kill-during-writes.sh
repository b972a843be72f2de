#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The emulator is killed while the guest writes and syncs: the image is sound
# (leaks at worst), and everything that the guest said was synced is there; on
# virtio and on IDE, in a new image and over a backing file.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires debugfs e2fsck mkfs.ext4
# Numbered blocks on one disk, each synced before its number is said; files on
# another, as a program would: write, fsync, rename, sync the folder.
cat >script <<'END'
if [ -e /dev/vda ]; then raw=/dev/vda files=/dev/vdb
else raw=/dev/sda files=/dev/sdb; fi
mount -t ext4 $files /mnt || exit 1
( i=0
while [ $i -lt 4000 ]; do
	i=$((i + 1))
	# 64 blocks apart: each is a new cluster.
	yes "block $i" | head -c 4096 >/tmp/block
	dd if=/tmp/block of=$raw bs=4096 seek=$((i % 1000 * 17 + i / 1000)) \
	    conv=notrunc,fsync 2>/dev/null || exit 1
	echo "synced block $i"
done ) &
i=0
while [ $i -lt 4000 ]; do
	i=$((i + 1))
	yes "file $i" | head -c 20000 >/tmp/file
	dd if=/tmp/file of=/mnt/new bs=20000 conv=fsync 2>/dev/null || exit 1
	mv /mnt/new /mnt/file$i
	sync
	echo "synced file $i"
done
wait
END
guest_linux script
truncate -s 256M files.raw
mkfs.ext4 -q files.raw
"$COWBIRD_IMG" convert -f raw -O qcow2 files.raw files-base.qcow2
"$COWBIRD_IMG" create -q -f qcow2 raw-base.qcow2 128M

# round KIND N: killed when N files have been synced.
round() {
	local kind=$1 files=$2 i blocks
	rm -f raw.qcow2 files.qcow2
	"$COWBIRD_IMG" create -q -f qcow2 -b files-base.qcow2 -F qcow2 \
	    files.qcow2
	case $files in
	*[05]) "$COWBIRD_IMG" create -q -f qcow2 raw.qcow2 128M ;;
	*) "$COWBIRD_IMG" create -q -f qcow2 -b raw-base.qcow2 -F qcow2 \
	    raw.qcow2 ;;
	esac
	guest_start -m 256 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
	    -append "console=ttyS0 quiet" \
	    -drive "file=raw.qcow2,format=qcow2,if=$kind" \
	    -drive "file=files.qcow2,format=qcow2,if=$kind"
	guest_wait "^synced file $files\$" 200
	guest_kill

	tr -d '\r' <"$GUEST/serial" >said
	blocks=$(sed -n 's/^synced block \([0-9]*\)$/\1/p' said | tail -n 1)
	files=$(sed -n 's/^synced file \([0-9]*\)$/\1/p' said | tail -n 1)
	[ "${blocks:-0}" -gt 0 ] || guest_fail "no block was synced"
	echo "$kind: killed after $blocks blocks and $files files"
	sound raw.qcow2
	sound files.qcow2

	"$COWBIRD_IMG" convert -f qcow2 -O raw raw.qcow2 raw.after
	for ((i = 1; i <= blocks; i++)); do
		# Later blocks are elsewhere.
		cmp -s <(yes "block $i" | head -c 4096) \
		    <(dd if=raw.after bs=4096 count=1 status=none \
		    skip=$((i % 1000 * 17 + i / 1000))) ||
		    fail "$kind: block $i of $blocks was synced, and is lost"
	done
	"$COWBIRD_IMG" convert -f qcow2 -O raw files.qcow2 files.after
	# The journal first, as at the next mount.
	e2fsck -fp files.after >fsck 2>&1 || [ $? -eq 1 ] ||
	    fail "$kind: $(cat fsck)"
	mkdir -p dump
	for ((i = 1; i <= files; i++)); do
		echo "dump /file$i dump/$i"
	done >commands
	debugfs -f commands files.after >/dev/null 2>&1
	for ((i = 1; i <= files; i++)); do
		cmp -s <(yes "file $i" | head -c 20000) "dump/$i" ||
		    fail "$kind: file $i of $files was synced, and is lost"
	done
	rm -rf dump
}

# sound IMAGE: nothing is wrong with it but leaks (exit code 3).
sound() {
	local rc=0
	"$COWBIRD_IMG" check "$1" >check 2>&1 || rc=$?
	[ $rc -eq 0 ] || [ $rc -eq 3 ] || { cat check >&2
	    fail "$1 is not sound (exit code $rc)"; }
}

# yes(1) is told that nobody reads: no failure.
set +o pipefail
for files in 1 10 43; do
	round virtio $files
	round ide $files
done
