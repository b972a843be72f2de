#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the command line describes is what Linux finds: processors and memory,
# UUID, clock, disks with their serial numbers and places, a virtio console,
# random bytes, a second serial port.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

cat >script <<'END'
date +"date %Y-%m-%d %H:%M"
echo "uuid $(cat /sys/class/dmi/id/product_uuid)"
echo "processors $(grep -c ^processor /proc/cpuinfo)"
echo "memory $(($(awk '/MemTotal/ { print $2 }' /proc/meminfo) / 65536))"
for d in vda vdb sda; do
	echo "disk $d $(cat /sys/block/$d/size) $(cat /sys/block/$d/ro)"
done
echo "serial $(cat /sys/block/vdb/serial)"
echo "queues $(ls /sys/block/vdb/mq | wc -l)"
echo "place $(cd -P /sys/block/vdb/device/.. && basename "$PWD")"
echo "block $(cat /sys/block/vda/queue/logical_block_size)"
echo "random $(cat /sys/class/misc/hw_random/rng_available)"
echo "port $(cat /sys/class/virtio-ports/vport*/name)"
echo "by the console" >/dev/hvc0
echo "by the second port" >/dev/ttyS1
sleep 1
END
guest_linux script
truncate -s 1M one
truncate -s 2M two
truncate -s 3M three
guest_start -m 256 -smp 2 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append "console=ttyS0 quiet" \
    -uuid 12345678-9abc-def0-0123-456789abcdef \
    -rtc base=2001-02-03T04:05:06 \
    -drive file=one,format=raw,if=none,id=a \
    -device virtio-blk-pci,drive=a,serial=WREN-7,num-queues=2,addr=9 \
    -blockdev driver=raw,node-name=b,read-only=on,file.driver=file,file.filename=two \
    -device virtio-blk-pci,drive=b,logical_block_size=4096,physical_block_size=4096 \
    -drive file=three,format=raw,if=none,id=c -device ide-hd,drive=c,bus=ide.1 \
    -device virtio-rng-pci -chardev file,id=v,path=console \
    -device virtio-serial-pci,id=s -device virtconsole,bus=s.0,chardev=v \
    -device virtserialport,bus=s.0,name=org.cowbird.0 \
    -serial file:second
guest_wait '^guest: done 0' 50
guest_ends
for text in 'date 2001-02-03 04:05' 'uuid 12345678-9abc-def0-0123-456789abcdef' \
    'processors 2' 'memory 3' 'disk vda 4096 1' 'disk vdb 2048 0' \
    'disk sda 6144 0' 'serial WREN-7' 'queues 2' 'place 0000:00:09.0' \
    'block 4096' 'random virtio_rng.0' 'port org.cowbird.0'; do
	guest_serial_has "^$text *\$" ||
	    guest_fail "Linux does not say '$text'"
done
matches '^by the console' console
matches '^by the second port' second
