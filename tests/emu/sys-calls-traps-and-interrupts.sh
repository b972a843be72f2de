#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In long mode: exceptions and their stacks, IRETQ, system calls, MSRs, single
# steps, breakpoints, code that changes and interrupts do what the SDM says.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run system 320
