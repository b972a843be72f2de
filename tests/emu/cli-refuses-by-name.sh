#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the command line cannot do it refuses, with exit code 1 and one line that
# names the option and says what is wrong with it; nothing is ignored.
. "$(dirname "$0")/../lib.sh"

"$COWBIRD_IMG" create -q -f qcow2 d.qcow2 1M
truncate -s 1M raw
bad=0

# refused PATTERN ARG...
refused() {
	local pattern=$1 rc=0
	shift
	timeout 20 "$COWBIRD_EMU" -display none "$@" >out 2>err </dev/null ||
	    rc=$?
	if [ $rc -ne 1 ] || [ "$(wc -l <err)" -ne 1 ] || [ -s out ] ||
	    ! grep -Eq "^cowbird-emu: .*$pattern" err; then
		echo "$* : exit $rc, want 1 and '$pattern'"
		cat out err
		bad=1
	fi
}

refused '-foo: there is no such option' -foo
refused '-foo: there is no such option' --foo
for option in netdev qmp vnc spice sdl k usb usbdevice audiodev soundhw dfilter s \
    gdb loadvm incoming icount numa mem-path fw_cfg smbios acpitable tpmdev \
    virtfs watchdog runas chroot readconfig pflash; do
	refused "-$option is not supported" "-$option" x
	refused "-$option is not supported" "--$option" x
done
refused '-net user: networks are not there yet' -net user
refused '-nic user: networks are not there yet' -nic user
refused "-parallel stdio: only 'none'" -parallel stdio

refused '-m needs a value' -m
refused '-m 5x: not a number' -m 5x
refused '-m 0: memory is from' -m 0
refused '-m 1G,foo=1: .*foo' -m 1G,foo=1
refused '-smp 0: .*1 to 8' -smp 0
refused '-smp 9: .*1 to 8' -smp 9
refused '-smp 4,cores=3: ' -smp 4,cores=3
refused '-smp 2,maxcpus=4: maxcpus=4' -smp 2,maxcpus=4
refused '-cpu host is for -accel kvm' -cpu host
refused "-cpu host,\\+nosuch: .*nosuch" -cpu host,+nosuch
refused "-cpu nosuch: .*nosuch" -cpu nosuch
refused "-cpu max,\\+nosuch: .*nosuch" -cpu max,+nosuch
refused "-accel hax: accelerator 'hax'" -accel hax
refused "-accel tcg,foo=1: .*foo" -accel tcg,foo=1
refused "-machine q35: machine 'q35'" -machine q35
refused "-M pc,foo=1: .*foo" -M pc,foo=1
refused '-machine pc,smm=on: smm=on' -machine pc,smm=on
refused '-boot z: order=z' -boot z
refused '-boot menu=maybe: ' -boot menu=maybe
refused '-boot splash=x: .*splash' -boot splash=x
refused '-rtc base=never: base=never' -rtc base=never
refused '-rtc clock=sun: clock=sun' -rtc clock=sun
refused '-rtc driftfix=slew: driftfix=slew' -rtc driftfix=slew
refused '-uuid x: no UUID' -uuid x
refused '-name a,process=b: .*process' -name a,process=b
refused "-display gtk: display 'gtk'" -display gtk
refused "-vga qxl: graphics adapter 'qxl'" -vga qxl
refused '-sandbox on,spawn=allow: spawn=allow' -sandbox on,spawn=allow
refused "-sandbox maybe: " -sandbox maybe
refused 'no-such' -bios no-such
refused "-d int,nosuch: log item 'nosuch'" -d int,nosuch
refused '-D is for -d' -D log
refused '-append is for -kernel' -append x
refused '-initrd is for -kernel' -initrd x
refused "-kernel: 'raw' is neither" -kernel raw
refused "-kernel: 'nosuch'" -kernel nosuch

refused '-hda nosuch: .*nosuch.*: No such file' -hda nosuch
refused "nosuch.*: No such file" nosuch
refused '-drive if=ide: a disk needs file=' -drive if=ide
refused '-drive file=raw,if=scsi: if=scsi' -drive file=raw,if=scsi
refused "option 'foo'" -drive file=raw,format=raw,foo=1
refused 'cache=maybe' -drive file=raw,format=raw,cache=maybe
refused 'discard=maybe' -drive file=raw,format=raw,discard=maybe
refused 'detect-zeroes=maybe' -drive file=raw,format=raw,detect-zeroes=maybe
refused 'werror=stop' -drive file=raw,format=raw,werror=stop
refused 'read-only' -drive file=raw,format=raw,readonly=on
refused 'index=4' -drive file=raw,format=raw,index=4
refused 'index 0 of if=ide already' -hda d.qcow2 \
    -drive file=raw,format=raw,index=0
refused "a drive 'a' already" -drive file=raw,format=raw,if=none,id=a \
    -drive file=d.qcow2,if=none,id=a
refused "Unknown driver" -drive file=raw,format=nosuch
refused 'no node-name=' -blockdev driver=raw,file.filename=raw
refused 'there is no such node' -blockdev driver=raw,node-name=a,file=b
refused "device 'e1000' is not supported" -device e1000
refused 'needs drive=' -device virtio-blk-pci
refused 'there is no such drive' -device virtio-blk-pci,drive=a
refused "option 'foo'" -drive file=raw,format=raw,if=none,id=a \
    -device virtio-blk-pci,drive=a,foo=1
refused 'queue-size=3' -drive file=raw,format=raw,if=none,id=a \
    -device virtio-blk-pci,drive=a,queue-size=3
refused 'addr=99' -drive file=raw,format=raw,if=none,id=a \
    -device virtio-blk-pci,drive=a,addr=99
refused 'something has it already' -drive file=raw,format=raw,if=virtio,id=a \
    -device ide-hd,drive=a
refused 'there is no virtio-serial-pci' -device virtconsole
refused 'there is no such -chardev' -device isa-debugcon,chardev=a
refused '-global e1000.x=1: ' -global e1000.x=1

refused "unknown character device 'foo'" -serial foo
refused "'vc' are not supported" -serial vc
refused 'more than 2 serial ports' -serial null -serial null -serial null
refused 'no -chardev with id=a' -serial chardev:a
refused 'more than one monitor' -monitor null -monitor null
refused 'mode=control' -chardev null,id=a -mon chardev=a,mode=control
refused 'id' -chardev null
refused "'a' already" -chardev null,id=a -chardev null,id=a
refused 'standard input and output are in use' -serial stdio \
    -monitor stdio
refused 'no standard input' -daemonize -serial stdio
[ $bad -eq 0 ] || fail "see above"
