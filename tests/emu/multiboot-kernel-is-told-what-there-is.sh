#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -kernel takes a multiboot kernel: it starts in the state that is specified,
# with its command line, modules and a memory map that has exactly the RAM that
# was asked for.  isa-debug-exit ends the emulator with the code written to it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

requires gcc ld
"$SRC/tests/emu/guests/build" multiboot kernel.elf
echo "first module" >m1
echo "second module" >m2

# boot MIB ARG...: its serial output in $GUEST/serial.
boot() {
	local mib=$1 rc=0
	shift
	guest_start -m "$mib" -nic none -kernel kernel.elf \
	    -device isa-debug-exit,iobase=0xf4,iosize=0x04 "$@"
	guest_wait '^done'
	guest_until 10 guest_gone || guest_fail "isa-debug-exit does not exit"
	wait "$guest_pid" || rc=$?
	[ $rc -eq $((0x21 * 2 + 1)) ] || guest_fail "exit code $rc"
	guest_forget
	matches '^magic 2badb002$' "$GUEST/serial"
	matches '^state OK$' "$GUEST/serial"
}

# usable: bytes of RAM in the map.
usable() {
	local start size type sum=0
	while read -r _ start size type; do
		[ "$type" = 00000001 ] || continue
		sum=$((sum + 16#$size))
	done < <(grep '^map ' "$GUEST/serial")
	echo $sum
}

boot 128 -append 'one two=3 "four five"' -initrd 'm1 with an argument,m2'
matches '^command \[.*kernel.elf one two=3 "four five"\]$' "$GUEST/serial"
matches '^module \[m1 with an argument\] holds \[first module\]$' \
    "$GUEST/serial"
matches '^module \[m2\] holds \[second module\]$' "$GUEST/serial"
matches '^lower 0000027f$' "$GUEST/serial"
matches '^map 0000000000000000 000000000009fc00 00000001$' "$GUEST/serial"
# What the firmware keeps for itself is less than half a MiB.
n=$(usable)
[ "$n" -le $((128 << 20)) ] && [ "$n" -ge $((127 << 20)) ] ||
    fail "$n bytes are usable of 128 MiB"

# Above the hole for PCI; pages that nobody touches cost nothing.
boot 6144
matches '^map 0000000100000000 00000000[0-9a-f]{8} 00000001$' "$GUEST/serial"
n=$(usable)
[ "$n" -le $((6144 << 20)) ] && [ "$n" -ge $((6143 << 20)) ] ||
    fail "$n bytes are usable of 6144 MiB"

# On the screen too; without the exit device it stays there.
guest_start -m 64 -nic none -kernel kernel.elf -append screen
guest_wait_screen '^A multiboot kernel of cowbird'
guest_wait_screen '^command \[.*kernel.elf screen\]'
guest_wait_screen '^done'
guest_quit
