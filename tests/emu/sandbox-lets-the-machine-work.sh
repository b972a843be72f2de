#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the sandbox a machine boots from images on servers, from files without the
# host's cache and from snapshots; its monitor writes below its own folders,
# and is told so where it may not.
. "$(dirname "$0")/../lib.sh"

requires gcc ld mkfs.ext4
"$SRC/tests/emu/guests/build" demo boot
truncate -s 16M fs.raw
mkfs.ext4 -q fs.raw
dd if=boot of=fs.raw conv=notrunc status=none
"$COWBIRD_IMG" convert -f raw -O qcow2 fs.raw disk.qcow2

# boots ARG...: the boot sector sees the file system and powers off.
boots() {
	timeout 50 "$COWBIRD_EMU" -display none -serial stdio "$@" \
	    >out 2>err </dev/null || { cat out err; fail "$*: exit $?"; }
	grep -q 'There is an ext4 file system on it, of 16 MiB' out ||
	    { cat out err; fail "$*: no file system"; }
}

boots disk.qcow2
boots -drive file=disk.qcow2,if=virtio,cache=none
boots -drive file=disk.qcow2,if=virtio,cache=none,aio=io_uring
boots -snapshot -hda disk.qcow2 -smp 2
boots -sandbox off disk.qcow2

if [ -e "$BUILD/lib/cowbird/nbd.so" ]; then
	"$COWBIRD_NBD" -t --fork --pid-file=nbd.pid -k "$PWD/sock" \
	    -f qcow2 disk.qcow2
	cleanup_fn kill "$(cat nbd.pid)"
	boots -drive "file=nbd+unix:///?socket=$PWD/sock,format=raw,if=virtio"
	kill "$(cat nbd.pid)"
fi
if [ -e "$BUILD/lib/cowbird/curl.so" ] && command -v python3 >/dev/null; then
	. "$SRC/tests/support/web.sh"
	web
	boots -drive "file=$web/disk.qcow2,format=qcow2,if=virtio,readonly=on"
	web_stop
fi

# Without Landlock (system call 444) the monitor has no files at all.
perl -e 'exit(syscall(444, 0, 0, 1) <= 0)' || exit 0
mkdir below other
# tell COMMAND...: to the monitor of a machine started in the folder below.
tell() {
	(cd below && printf '%s\n' "$@" quit | timeout 50 "$COWBIRD_EMU" -S \
	    -display none -monitor stdio >../answer 2>../err) ||
	    { cat answer err; fail "the monitor's machine: exit $?"; }
}
tell 'pmemsave 0 512 memory' "pmemsave 0 512 \"$PWD/below/again\""
[ "$(stat -c %s below/memory)" -eq 512 ] || fail "nothing was saved"
[ "$(stat -c %s below/again)" -eq 512 ] || fail "nothing was saved again"
tell "pmemsave 0 512 \"$PWD/other/memory\""
[ ! -e other/memory ] || fail "it was saved outside of the sandbox"
grep -qi 'permission denied' answer || { cat answer; fail "not a word of it"; }
