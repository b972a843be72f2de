#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --cpu-step executes one instruction a line and says what it changed, or what
# it raised; modes, memory and vector registers can be set; a bad line is one
# error.
. "$(dirname "$0")/../lib.sh"

step() {
	printf '%s\n' "$@" | "$COWBIRD_EMU" --cpu-step
}

same_text "R rax=03 rip=1003 rflags=06" \
    "$(step 'R rax=1 rbx=2 ; M 1000=4801d8')" "add rax, rbx"
# The state stays from line to line.
same_text "R rip=1002 rflags=46
R rax=01 rip=1005 rflags=02" \
    "$(step 'M 1000=31c048ffc0' '')" "xor eax, eax; inc rax"
same_text "X 0 ; R" "$(step 'R rbx=0 ; M 1000=f7f3')" "div by zero"
same_text "X 14 2 ; R cr2=8000000000" \
    "$(step 'R rax=8000000000 ; M 1000=c60001')" "a store where nothing is mapped"
same_text "R rip=1002 ; M 500=ab" \
    "$(step 'R mode=16 rax=ab rbx=500 ; M 1000=8807')" "mov [bx], al"
same_text "R rip=1004 ymm0=$(printf '0%.0s' {1..32})0000000000000005$(printf '0%.0s' {1..15})3" \
    "$(step "R xmm1=00000000000000050000000000000003 ; M 1000=660f6fc1")" "movdqa"

! step 'R nothing=1' >out 2>err || fail "an unknown register was taken"
grep -q "^cowbird-emu: .*there is no register 'nothing'" err || fail "$(cat err)"
[ "$(wc -l <err)" -eq 1 ] || fail "more than a line"
! step 'M 1000=xyz' >out 2>err || fail "bad bytes were taken"
