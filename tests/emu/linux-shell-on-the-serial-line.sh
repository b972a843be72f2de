#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux gives a shell on the serial line: what is typed is done, line by line
# and long lines too, Ctrl-C interrupts, the kernel's command line arrives as
# it was given, and the screen is a second console with a keyboard.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guest.inc"

GUEST_SERIAL=socket
guest_linux
guest_start -m 192 -nic none -kernel "$KERNEL" -initrd "$INITRD" \
    -append "console=tty0 console=ttyS0,115200 quiet word=one two"
guest_wait '^guest: ready' 50
guest_wait '# ' 20
# First: without echo busybox's shell ends when a child does.
guest_send 'setsid sh -c "exec sh </dev/tty1 >/dev/tty1 2>&1" &'
guest_wait_screen '# ' 20 204
guest_send "stty -echo; PS1=; echo started"
guest_wait '^started'
guest_send 'cat /proc/cmdline'
guest_wait '^console=tty0 console=ttyS0,115200 quiet word=one two$'
guest_send 'echo $((6 * 7)) from $0'
guest_wait '^42 from '
text=$(printf '%0600d' 0 | tr 0 y)
guest_send "echo $text | wc -c"
guest_wait '^601$'
# 20 KiB come back whole.
guest_send 'seq 100000 104095 | cksum; seq 100000 104095; echo end'
guest_wait '^end$' 30
same_text "$(seq 100000 104095)" "$(tr -d '\r' <"$GUEST/serial" |
    grep -aE '^10[0-9]{4}$')" "the numbers"

guest_type "echo it is 'tty' > /dev/ttyS0; cat /proc/uptime > /tmp/up"
guest_wait '^it is tty$'
guest_type "echo A-Z_09 more"
guest_wait_screen '^A-Z_09 more' 20 204

guest_mark_serial
guest_send 'cat; echo after cat'
guest_send 'cat runs'
guest_wait '^cat runs'
printf '\003' >&"$guest_keys"
# A shell that is interrupted drops what was typed ahead: it is told again.
for try in {1..10}; do
	guest_send 'echo interrupted'
	sleep 1
	! guest_serial_has '^interrupted' || break
done
guest_wait '^interrupted'
! guest_serial_has '^after cat' || guest_fail "Ctrl-C did not end the line"
guest_mark_serial
guest_send 'poweroff -f'
guest_ends
