#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The monitor's commands on standard input, as scripts use them: what they
# answer, that mistakes are one line, and that keys reach the guest.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

said() {
	guest_until 10 grep -aqE -e "$1" "$GUEST/monitor" ||
	    guest_fail "the monitor has not said '$1'"
}

guest_start -m 32 -nic none -name twelve \
    -uuid 12345678-9abc-def0-1234-56789abcdef0
guest_wait_screen 'No bootable device'
guest_tell 'info status'
said '^VM status: running'
guest_tell 'info name'
said '^twelve'
guest_tell 'info uuid'
said '^12345678-9abc-def0-1234-56789abcdef0'
guest_tell 'p /x 1+2*(3|4)'
said '^0xf'
guest_tell 'print /d -17%5 + 100'
guest_tell 'p 1/0'
said 'division by zero'
guest_tell 'xp /2bc 0xb8000'
said "^0*b8000: 'S' '\\\\x07'"
guest_tell 'info registers'
said 'CR0='
guest_tell 'x /1i $pc'
said '^0x0*[0-9a-f]+: +([0-9a-f]{2} )+ +[a-z]'
guest_tell 'info pci'
said '1234:1111'
guest_tell 'info mtree'
said 'vga'
guest_tell 'info chardev'
said 'stdio'
guest_tell 'nonsense 12'
said "^unknown command: 'nonsense'"
guest_tell 'info nonsense'
said "^unknown command: 'info nonsense'"
guest_tell 'sendkey ctrl-alt-nokey'
said 'invalid parameter: nokey'
guest_tell 'screendump'
said 'screendump: filename expected'
guest_tell 'xp /2zx 0'
said "invalid char in format: 'z'"
guest_tell 'stop'
guest_tell 'info status'
said '^VM status: paused'
guest_tell 'cont'

# The ROM as xp shows it and as pmemsave writes it.
guest_tell "pmemsave 0xffff0 16 $TEST_TMP/saved"
guest_tell 'xp /1bx 0xffff0'
said '^0*ffff0: 0xea'
guest_until 10 [ -s "$TEST_TMP/saved" ] || guest_fail "nothing was saved"
same_text ea "$(od -An -tx1 -N1 "$TEST_TMP/saved" | tr -d ' ')" "first byte"
same_text 16 "$(stat -c %s "$TEST_TMP/saved")" "bytes saved"

guest_tell 'pmemsave 0xb8000 16 /nowhere/at/all'
said 'Error: .*nowhere'
guest_tell 'system_reset'
guest_wait_screen 'SeaBIOS'
guest_wait_screen 'No bootable device'
guest_quit
