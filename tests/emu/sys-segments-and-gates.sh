#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Limits, rights, gates, returns, exceptions and the I/O bitmap of 32-bit
# protected mode do what the SDM says.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run segment 300
