#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 4-level paging does what the SDM says: rights of every kind of access and
# mode, accessed and dirty bits, reserved bits, large pages, crossings, PCIDs.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run paging 190
