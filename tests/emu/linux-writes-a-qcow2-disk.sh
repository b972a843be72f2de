#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel boots by -kernel and -initrd, makes a file system on a disk
# that is our qcow2, writes and syncs, reads a second disk, and powers off by
# ACPI; the image is sound then, and holds what the guest wrote.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires debugfs e2fsck
cat >script <<'END'
set -e
mkfs.ext4 -q /dev/vda
mount -t ext4 /dev/vda /mnt
dd if=/dev/vdb bs=64k of=/mnt/copy conv=fsync 2>/dev/null
sha256sum </mnt/copy
mkdir /mnt/many
for i in $(seq 200); do echo "file $i" >/mnt/many/$i; done
rm /mnt/many/7
sync
umount /mnt
echo "vda: $(cat /sys/block/vda/size) sectors"
[ "$(cat /sys/block/vdb/ro)" = 1 ] && echo "vdb: read-only"
END
guest_linux script
random_file random.raw $((2 * 1048576))
"$COWBIRD_IMG" convert -f raw -O qcow2 -c random.raw random.qcow2
"$COWBIRD_IMG" create -q -f qcow2 disk.qcow2 64M

guest_start -m 256 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append "console=ttyS0 quiet" \
    -drive file=disk.qcow2,format=qcow2,if=virtio \
    -drive file=random.qcow2,format=qcow2,if=virtio,readonly=on
guest_wait '^guest: ready' 50
guest_wait '^guest: done 0' 40
guest_serial_has "^$(sha256sum <random.raw)" ||
    guest_fail "the guest read something else from the second disk"
guest_serial_has '^vda: 131072 sectors' || guest_fail "wrong size"
guest_serial_has '^vdb: read-only' || guest_fail "vdb can be written to"
guest_ends 10

"$COWBIRD_IMG" check -q disk.qcow2
"$COWBIRD_IMG" convert -f qcow2 -O raw disk.qcow2 disk.raw
e2fsck -fn disk.raw >stdout 2>&1 || fail "$(cat stdout)"
debugfs -R "dump /copy copy" disk.raw 2>/dev/null
same_file random.raw copy
debugfs -R "dump /many/200 last" disk.raw 2>/dev/null
same_text "file 200" "$(cat last)"
[[ $(debugfs -R "stat /many/7" disk.raw 2>&1) == *"not found"* ]] ||
    fail "a file that was removed is there"
