#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two and four processors: start-up, LOCK on every kind of operand, interrupts
# between them, shootdowns, and code that one writes and another runs.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run smp 50 -smp 2
sys_run smp 50 -smp 4
