#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hardware task switches: by JMP, CALL, IRET, gates and exceptions; busy bits,
# back links, NT, the T bit, 16-bit tasks, and the faults of each step.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run task 145
