#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Options do what they say: one dash or two, drives in every way they can be
# described, names with commas, snapshots, streams, the background, lists.
. "$(dirname "$0")/../lib.sh"

"$COWBIRD_IMG" create -q -f qcow2 base.qcow2 3M
"$COWBIRD_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 d.qcow2
cp d.qcow2 'a,b.qcow2'
truncate -s 1440K floppy
truncate -s 2M raw

# ask COMMAND ARG...: a monitor command's answer, in the file answer.
ask() {
	local command=$1
	shift
	printf '%s\nquit\n' "$command" | timeout 30 "$COWBIRD_EMU" -S \
	    -display none -monitor stdio "$@" >answer 2>err ||
	    { cat answer err; fail "$*: exit $?"; }
	sed -i 's/\r//' answer
	[ ! -s err ] || { cat err; fail "$*: words on stderr"; }
}

for help in -help --help -h; do
	"$COWBIRD_EMU" $help | grep -q '^  -drive ' || fail "$help"
done
for version in -version --version; do
	"$COWBIRD_EMU" $version | head -n 1 | grep -q '^cowbird-emu ' ||
	    fail "$version"
done
ln -s "$COWBIRD_EMU" qemu-system-x86_64
./qemu-system-x86_64 -version | head -n 1 |
    grep -q '^QEMU emulator version [0-9.]* (cowbird' ||
    fail "-version under the peer's name"
"$COWBIRD_EMU" -machine help | grep -q '^pc ' || fail "-machine help"
"$COWBIRD_EMU" -M help | grep -q '^pc ' || fail "-M help"
"$COWBIRD_EMU" -accel help | grep -qx kvm || fail "-accel help"
"$COWBIRD_EMU" -cpu help | grep -q qemu64 || fail "-cpu help"
"$COWBIRD_EMU" -display help | grep -qx none || fail "-display help"
"$COWBIRD_EMU" -device help | grep -q '^name "virtio-blk-pci"' ||
    fail "-device help"
"$COWBIRD_EMU" -device ide-hd,help | grep -q '^  serial=' ||
    fail "-device NAME,help"

ask 'info status' --m 64 --smp cpus=2,sockets=1,cores=2 -no-user-config
matches 'paused' answer
ask 'info name' -name guest=moth
matches '^moth$' answer
ask 'info uuid' -uuid 12345678-9abc-def0-0123-456789abcdef
matches '12345678-9abc-def0-0123-456789abcdef' answer
ask 'info cpus' -smp 3
[ "$(grep -c 'CPU #' answer)" -eq 3 ] || fail "-smp 3 makes no 3"

# Drives, however they are described.
drive() {
	local pattern=$1
	shift
	ask 'info block' "$@"
	matches "$pattern" answer
}
drive '^ide0-hd0: .*d.qcow2 \(3145728' d.qcow2
drive '^ide0-hd1: .*d.qcow2' -hdb d.qcow2
drive '^ide1-cd0: .*raw .*read-only' -cdrom raw
drive '^floppy0: .*floppy' -drive file=floppy,format=raw,if=floppy
drive '^virtio0: .*a,b.qcow2' -drive 'file=a,,b.qcow2,if=virtio'
drive '^ide0-hd0: .*a,b.qcow2' 'a,b.qcow2'
drive '^x: .*\(3145728' -drive file.filename=d.qcow2,driver=qcow2,if=virtio,id=x
drive '^x: .*\(3145728' -drive \
    'file=json:{"driver":"qcow2",,"file":{"driver":"file",,"filename":"d.qcow2"}},if=none,id=x' \
    -device virtio-blk-pci,drive=x,serial=abc,num-queues=2,queue-size=64
drive '^x: .*\(3145728' -drive file=d.qcow2,if=none,id=x \
    -device ide-hd,drive=x,bus=ide.1,unit=1,bootindex=1,model=Wren
drive '^n: .*\(3145728' \
    -blockdev driver=file,node-name=f,filename=d.qcow2 \
    -blockdev driver=qcow2,node-name=n,file=f,discard=unmap \
    -device virtio-blk,drive=n,addr=7
ask 'info pci' -blockdev \
    '{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"d.qcow2"}}' \
    -device '{"driver":"virtio-blk-pci","drive":"n","addr":"7"}' \
    -device virtio-rng-pci,max-bytes=1024,period=1000
matches 'device   7, function 0' answer
matches '1af4:1005' answer
drive 'floppy0: \[not inserted\]' -device floppy
drive 'ide0-cd0: \[not inserted\]' -device ide-cd

# An image that is guessed to be raw is told of.
printf 'quit\n' | "$COWBIRD_EMU" -S -display none -monitor stdio raw \
    >/dev/null 2>err
matches 'guessed to be raw' err

# Streams.
ask 'info chardev' -chardev file,id=log,path=log -device \
    isa-debugcon,iobase=0x402,chardev=log -serial null -serial file:second
matches '^log: ' answer
matches '^serial1: ' answer
ask 'info chardev' -chardev socket,id=s,path=sock,server=on,wait=off \
    -device virtio-serial-pci,id=v -device virtconsole,bus=v.0,chardev=s \
    -device virtserialport,name=org.cowbird.0
matches '^s: .*sock' answer
[ ! -e sock ] || fail "the socket is still there"

# Logs.
"$COWBIRD_EMU" -d help | grep -q '^int ' || fail "-d help"
printf 'cont\nsystem_reset\ninfo status\n' >commands
{ cat commands; sleep 2; echo quit; } | "$COWBIRD_EMU" -S -display none \
    -monitor stdio -m 32 -d int,cpu_reset,in_asm -D log.txt >/dev/null
matches '^reset: processor 0$' log.txt
matches '^cpu 0: interrupt 10 ' log.txt
matches '^00000000000f[0-9a-f]{4}  [a-z]+' log.txt

# In the background: ready when the command ends, gone with its file.
"$COWBIRD_EMU" -daemonize -display none -pidfile pid -chardev \
    socket,id=m,path=mon,server=on,wait=off -mon chardev=m d.qcow2 \
    >out 2>&1 || { cat out; fail "-daemonize fails"; }
pid=$(cat pid)
kill -0 "$pid" || fail "there is no daemon"
cleanup_fn kill -KILL "$pid" 2>/dev/null
"$COWBIRD_EMU" -display none -pidfile pid >out 2>&1 &&
    fail "two processes with one pidfile"
matches 'another process has it' out
[ "$(readlink "/proc/$pid/fd/1")" = /dev/null ] || fail "its stdout is open"
matches '^NoNewPrivs:.*1' "/proc/$pid/status"
matches '^Seccomp:.*2' "/proc/$pid/status"
kill -TERM "$pid"
for _ in $(seq 100); do
	[ -e pid ] || break
	sleep 0.1
done
[ ! -e pid ] && [ ! -e mon ] || fail "pidfile or socket is still there"
"$COWBIRD_EMU" -daemonize -display none -hda nosuch >out 2>&1 &&
    fail "-daemonize succeeds without a disk"
matches 'nosuch' out
