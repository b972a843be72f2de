#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux with -smp 2 on an IDE disk that is our qcow2 over a backing file: both
# processors work, the disk is found by DMA, a CD is read, the clock goes as
# fast as the host's, and what was written is in the overlay.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

cat >script <<'END'
set -e
echo "processors $(grep -c ^processor /proc/cpuinfo)"
for c in 0 1; do
	taskset $((1 << c)) sh -c "head -c 8388608 /dev/sda | sha256sum |
	    sed 's/^/cpu $c /'" &
done
wait
wait
echo "mode $(cat /sys/class/ata_device/dev1.0/dma_mode)"
echo "cd $(head -c 12 /dev/sr0)"
date +"before %s"
sleep 3
date +"after %s"
dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
dd if=/tmp/data of=/dev/sda bs=64k seek=16 conv=fsync 2>/dev/null
echo "written $(sha256sum </tmp/data)"
END
guest_linux script
random_file base.raw $((16 << 20))
"$COWBIRD_IMG" convert -f raw -O qcow2 base.raw base.qcow2
"$COWBIRD_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2
printf '%-32767s\n' "text on a CD" >cd.iso

guest_start -m 256 -smp 2 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append "console=ttyS0 quiet" -hda disk.qcow2 \
    -drive file=cd.iso,format=raw,if=ide,index=2,media=cdrom,readonly=on
guest_wait '^guest: ready' 50
guest_wait '^before ' 40
from=$(date +%s)
guest_wait '^after ' 20
took=$(($(date +%s) - from))
guest_wait '^guest: done 0' 40
guest_ends 10

sum=$(head -c $((8 << 20)) base.raw | sha256sum)
for text in 'processors 2$' "cpu 0 ${sum%% *}" "cpu 1 ${sum%% *}" \
    'mode .*DMA' 'cd text on a CD'; do
	guest_serial_has "^$text" || guest_fail "the guest did not say '$text'"
done
before=$(sed -n 's/^before \([0-9]*\).*/\1/p' "$GUEST/serial")
after=$(sed -n 's/^after \([0-9]*\).*/\1/p' "$GUEST/serial")
took=$((took - (after - before)))
[ "${took#-}" -le 2 ] || guest_fail "its clock is off by $took s in 3 s"

"$COWBIRD_IMG" check -q disk.qcow2
"$COWBIRD_IMG" convert -f qcow2 -O raw disk.qcow2 after.raw
sum=$(dd if=after.raw bs=64k skip=16 count=64 status=none | sha256sum)
guest_serial_has "^written ${sum%% *}" ||
    guest_fail "the image has something else than was written"
cmp -n $((1 << 20)) base.raw after.raw
cmp -i $((5 << 20)) base.raw after.raw
