#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Port 92h, CF9h, the keyboard controller and a triple fault reset the machine,
# which starts anew with the clock's memory kept, and its time; S5 ends the
# emulator; and with -no-reboot a reset does.
. "$(dirname "$0")/../lib.sh"
requires gcc ld
emu=${EMU:-$COWBIRD_EMU -accel tcg}
read -ra emu <<<"$emu"
command -v "${emu[0]}" >/dev/null || skip "needs ${emu[0]##*/}"

"$SRC/tests/emu/guests/build" resets disk.raw
truncate -s 1M disk.raw
run() {
	timeout 55 "${emu[@]}" -m 32 -nic none -display none \
	    -drive file=disk.raw,format=raw,if=ide -serial file:serial "$@" \
	    </dev/null >stdout 2>&1 || fail "exit code $?: $(cat stdout)"
}

run
year=$(date -u +%y)
same_text "$(printf "start %s in $year\n" 0 1 2 3 4)" "$(tr -d '\r' <serial)"
run -no-reboot
same_text "start 0 in $year" "$(tr -d '\r' <serial)"
