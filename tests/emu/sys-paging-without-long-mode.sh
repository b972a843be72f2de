#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 32-bit and PAE paging do what the SDM says: rights, accessed and dirty bits,
# large pages, reserved bits, PDPTEs.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/emu/guests/sys/run.inc"
sys_run oldpaging 40
