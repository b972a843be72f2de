#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual-8086 mode: limits, IOPL, privileged instructions, ports, redirected
# interrupts and virtual interrupt flags, in protected mode as well.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run v86 170
