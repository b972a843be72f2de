#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGTERM unmounts, flushes and ends with 0 while it is read and written, and with
# files held open: who holds them gets an error, not a wait.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/fuse/fuse.inc"
requires_fuse

touch mnt
mkdir dir
"$COWBIRD_IMG" create -q -f qcow2 disk.qcow2 64M
for signal in TERM INT HUP TERM TERM; do
	show -f qcow2 --writable disk.qcow2 mnt
	while dd if=/dev/zero of=mnt bs=64k conv=notrunc status=none; do :
	done 2>/dev/null &
	writer=$!
	while cat mnt; do :; done >/dev/null 2>&1 &
	reader=$!
	while dd if=mnt of=/dev/null bs=4k iflag=direct status=none; do :
	done 2>/dev/null &
	direct=$!
	exec 5<mnt
	sleep 0.3
	hide $signal
	! cat <&5 >/dev/null 2>&1 || fail "read from what is gone"
	exec 5<&-
	kill $writer $reader $direct 2>/dev/null || true
	wait
	! grep -q " $PWD/mnt " /proc/mounts || fail "still mounted"
	: >mnt
done
"$COWBIRD_IMG" check -q disk.qcow2

# What is mapped and written is in the image, too.
command -v python3 >/dev/null || exit 0
show -f qcow2 --writable disk.qcow2 mnt
coproc python3 -c '
import mmap, os, sys
m = mmap.mmap(os.open("mnt", os.O_RDWR), 1 << 20)
m[5000:5005] = b"hello"
print("written", flush=True)
sys.stdin.read()'
read -r _ <&"${COPROC[0]}"
hide
exec {COPROC[1]}>&- || true
"$COWBIRD_IO" -r -f qcow2 -c 'read -v 5000 5' disk.qcow2 | grep -q hello ||
    fail "lost what was mapped"
